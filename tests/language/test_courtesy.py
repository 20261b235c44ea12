"""language/courtesy.py: what people say around a wish."""

from __future__ import annotations

import pytest

from samebut.language.courtesy import without_courtesy

WISHES = {
    "excuse me, would you have it in blue perhaps? cheers": "in blue",
    "Hi, could you please find it for me in red, thanks a lot": "in red",
    "Hello! Do you have this with long sleeves?": "with long sleeves",
    "Could you show me something similar in teal? Regards": "something similar in teal",
    "I’d like it without stripes, please": "without stripes",
    "I'm looking for a skirt": "a skirt",
    "is there one like it? in yellow": "in yellow",
    "show me the same in white": "the same in white",
    "I want this item in red": "this item in red",
    "麻烦帮我找一下，换成蓝色，谢谢": "换成蓝色",
    "請問有沒有條紋的，謝謝": "條紋的",
    "你好，有红色的吗": "红色的",
    "老板，给我来一件黑色的": "黑色的",
    "我想要长袖的，可以吗": "长袖的",
    "亲，要大红色": "要大红色",
}
NO_COURTESY = (
    "in blue!",
    "thanks!",
    "吗",
    "",
    "hello kitty",
    "hi-low length",
    "with thank you printed on it",
    "I don't want stripes",
    "Unlike the first, I want the second",
    "is more like a dress and has no sleeves",
    "so blue",
    "不要蓝色",
    "我不想要条纹",
    "没有条纹",
    "除了红色都行",
)


@pytest.mark.parametrize(("said", "meant"), WISHES.items())
def test_words_around_a_wish_go(said: str, meant: str) -> None:
    assert without_courtesy(said) == meant
    assert without_courtesy(meant) == meant


@pytest.mark.parametrize("text", NO_COURTESY)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_courtesy(text) == text
