"""Removes polite phrases that people put around a wish when they write to a shop, in English and
Chinese.

"Hi, could you find me this in blue, please?" asks for "this in blue". A model that reads the rest
as well finds fewer right pictures (``benchmarks/robustness.py``, "polite words around").
"""

from __future__ import annotations

import re

_ME = r"(?: (?:for )?(?:me|us))?"
_FIND = (
    rf"(?:help{_ME} (?:to )?find|look|search|find|show|get|give|send|bring|recommend|suggest|see)"
)
_ONE = (
    r"(?: (?:it|this|that|one|some|any|something(?: (?:like|similar to) (?:it|this|that))?)"
    # "this item" is no courtesy, "this in blue" is.
    r"(?=[,.!?]|$| (?:in|with|without|but|as|for|and|only|please|now)\b))"
)
# Each at the beginning of a text or sentence.
_BEGINNINGS = (
    r"(?:hi|hello|hey|dear)(?: (?:there|all|shop|team|everyone|sir|madam|friends?))*"
    r"(?=[,.!?]|$| (?:can|could|would|will|do|is|are|any|please|i|i'm|i'd)\b)",  # no hello kitty
    r"good (?:morning|day|afternoon|evening)",
    r"(?:please )?(?:excuse|pardon|forgive) me",
    r"sorry(?: to (?:bother|disturb|trouble) you)?",
    rf"(?:please )?(?:can|could|would|will|might) (?:you|we|i)(?: please| kindly| maybe)? {_FIND}"
    rf"{_ME}{_ONE}?{_ME}(?: for)?",
    rf"(?:do|would|might) you (?:perhaps |maybe |also |happen to )?(?:have|sell|stock){_ONE}?",
    rf"(?:have|has) (?:you|anyone|anybody) got{_ONE}?",
    r"(?:is|are) there (?:any(?:thing)?|one|some(?:thing)?)"
    r"(?: (?:like|similar to) (?:it|this|that))?",
    rf"any chance of(?: (?:having|getting|finding|seeing))?{_ONE}?",
    r"(?:i am|i'm|im|we are|we're) (?:looking|searching|hoping) for",
    r"i(?: would|'d) (?:really )?(?:like|love|prefer)"
    rf"(?: to (?:have|see|find|get|buy|order))?{_ONE}?",
    rf"i (?:really )?(?:want|need|wish for)(?: to (?:have|see|find|get|buy|order))?{_ONE}?",
    rf"(?:please )?(?:find|show|get|give) me{_ONE}?",
    r"i was wondering (?:if|whether) (?:you|there)(?: have| is| are| sell)?(?: one| any)?",
    r"i(?: really)? (?:like|love) (?:it|this|this one|that one)(?: a lot)?(?:, but)?",
    r"please",
    r"(?:hmm+|well|ok|okay|so|oh|ah)(?=,)",
)
# Each at the end of a clause, or all of it.
_ENDINGS = (
    r"please|perhaps|maybe|i think|i guess|by any chance|would you|could you",
    r"if (?:at all )?possible|if (?:you|that) can(?: be done)?|if you (?:don't|do not) mind",
    r"(?:many )?thanks(?: (?:a lot|a million|so much|very much|again|in advance))?",
    r"thank you(?: (?:so|very) much| again| in advance)?",
    r"(?:kind |best |warm )?regards|cheers|much obliged|much appreciated",
)
_BEGINNINGS_ZH = (
    r"(?:您好|你好|哈[喽囉]|嗨|[亲親]|老板|老闆|客服)",
    r"[请請][问問]?(?!勿)",
    r"(?:不好意思|打[扰擾](?:一下|了)?|[劳勞][驾駕])",
    r"麻[烦煩](?:您|你)?",
    r"(?:能不能|能否|可不可以|可以|可否)?(?:[帮幫]我|[帮幫]忙|[给給]我)(?:找|看看?|搜索?|挑|推[荐薦]|[来來])?"
    r"(?:一下|下|一[个個]|一[款件双雙条條])?",
    r"(?:[你您][们們]?|店里|[这這][里裡])?(?:有[没沒]有|有(?!一))(?=.)",
    r"我?(?:想要|想找|想[买買]|在找|正在找|需要)(?:一下|一[个個]|一[款件双雙条條])?",
    r"我(?:很|好|非常)?(?:喜[欢歡]|[爱愛])(?:[这這](?:[个個款件双雙条條])?)",
    r"[这這](?:[个個款件])?(?:不[错錯]|很好|挺好)",
)
_ENDINGS_ZH = (
    r"(?:可以|好|行|有)?[吗嗎嘛]",
    r"(?:好不好|行不行|可不可以|有[没沒]有)",
    r"(?:非常|多|太)?(?:[谢謝]{1,2}|感[谢謝])(?:您|你|啦|了|大家)?",
    r"(?:拜托|拜託)(?:了|啦)?",
)

_STOP = r"[\s,.!?;:…~，。！？；：、～]"
_BEGINNING = re.compile(
    rf"(?:(?<=[.!?;:…]\s)|^)(?:{'|'.join(_BEGINNINGS)})(?![\w'])"
    rf"|(?:(?<={_STOP})|^)(?:{'|'.join(_BEGINNINGS_ZH)})",
    re.IGNORECASE,
)
_ENDING = re.compile(
    rf"(?<![\w-])(?:{'|'.join(_ENDINGS)})(?=\s*(?:[,.!?;:…]|$))"
    rf"|(?:{'|'.join(_ENDINGS_ZH)})(?={_STOP}|$)",
    re.IGNORECASE,
)
_LOOSE = re.compile(rf"^{_STOP}+|{_STOP}+$")


def without_courtesy(text: str) -> str:
    """``text`` without greetings, thanks and the words that only ask; as it is, if nothing would
    be left or nothing of the kind is in it."""
    kept, before = text.replace("’", "'"), ""
    while kept != before:
        before = kept
        for phrase in (_BEGINNING, _ENDING):
            shorter, count = phrase.subn("", kept)
            kept = _LOOSE.sub("", shorter) if count else kept
    return kept if re.search(r"\w", kept) and len(kept) < len(text) else text
