"""Chinese translations of the library's error messages that a request can cause.

A phrase that is not listed is given as it is, in English: a wrong translation would be worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REASONS: Mapping[str, str] = {
    r"is empty": "是空文件",
    r"is cut short": "不完整",
    r"is damaged": "已损坏",
    r"is not there": "已不存在",
    r"is not a picture samebut can read": "不是可识别的图片",
    r"is of a kind samebut can't read": "的类型无法读取",
    r"is a link.*": "是一个无效的链接",
    r"may not be read: permission denied": "没有读取权限",
    r"can't be read.*": "无法读取",
    r"is an AVIF picture, which .*": "是 AVIF 格式，无法读取",
    r"is a HEIC picture, which .*": "是 HEIC 格式，无法读取",
    r"is a video, not a picture": "是视频，不是图片",
    r"is a Photoshop document, which .*": "是 Photoshop 文件，无法读取",
    r"is a PDF, not a picture": "是 PDF 文件，不是图片",
    r"is a ZIP archive, not a picture": "是 ZIP 压缩包，不是图片",
    r"is a web page, not a picture": "是网页，不是图片",
    r"is an SVG drawing, which .*": "是 SVG 图形，无法读取",
    r"is a (?:folder|pipe|socket|device), not .*|is not an ordinary file": "不是普通文件",
    r"needs more memory than there is": "需要的内存超出可用内存",
    r"has (.+) pixels, more than the (.+) allowed": r"的像素过多（\1，上限 \2）",
    r"is (.+) MB, more than the (.+) MB allowed": r"有 \1 MB（上限 \2 MB）",
    r"is made of more parts than a picture needs": "的组成部分过多",
    r"has more than the (\d+) scans allowed": r"的扫描次数过多（上限 \1）",
    r"is too thin: (.+) by (.+) pixels": r"过于细长（\1 × \2 像素）",
    r"takes longer to decode than is allowed": "的解码用时过长",
    r"has more pixels than Pillow allows": "的像素过多",
    r"There is nothing to search for": "没有可搜索的内容",
    r"Only a picture with a text can be explained": "只有同时包含图片和文字的一步才能解释",
    r"This composition scores every picture twice, so nothing can be left out of its query": (
        "这种组合方式不能排除不想要的内容"
    ),
    r"There is no picture with id (\d+)": r"没有编号为 \1 的图片",
    r"some pictures pass each test of the filter, and none passes all of it": (
        "每个条件都有符合的图片，但没有图片符合全部条件"
    ),
    r"(.+?): every picture has a value": r"\1：每张图片都有值",
    r"(.+?): no picture has a value": r"\1：没有图片有值",
    r"(.+?): no picture has (.+?); nearest: (.+)": r"\1：没有图片是 \2；最接近的：\3",
    r"(.+?): no picture has (.+?); they go from (.+?) to (.+?)(?:[,;] .*)?": (
        r"\1：没有图片符合 \2；范围是 \3 到 \4"
    ),
    r"(.+?): no picture has (.+)": r"\1：没有图片是 \2",
    r"no column (\S+): this gallery has no metadata": r"没有 \1 这一列：此图库没有元数据",
    r"no column (\S+)": r"没有 \1 这一列",
    r"the filter lists more than (.+) values for (.+)": r"筛选条件为 \2 列出的值超过 \1 个",
    r"a value in the filter is longer than (.+) characters": r"筛选条件里的值超过 \1 个字符",
}

_HINTS: Mapping[str, str] = {
    r"copy or download it again": "请重新复制或下载。",
    r"save a smaller copy of it": "请另存为小一些的副本。",
    r"save it as a JPEG again": "请重新另存为 JPEG。",
    r"crop it": "请裁剪后再试。",
    r"save it as a JPEG or PNG": "请另存为 JPEG 或 PNG。",
    r"save it as a JPEG or PNG, or take a screenshot of it": (
        "请另存为 JPEG 或 PNG，或上传它的截图。"
    ),
    r"unpack it": "请先解压。",
    r"save a still picture of it": "请截取其中一帧，另存为图片。",
    r"download the picture itself": "请下载图片本身。",
    r"Give a picture, a text, or both.": "请给出图片、文字，或两者。",
    r"Give the turn both of them.": "请同时给出图片和文字。",
    r"Known columns: (.*)\.": r"已有的列：\1。",
    r"Give a shorter value\.": "请把值写短一些。",
    r"Put the list in a metadata column of its own and filter on that\.": (
        "请把这份列表写成元数据中单独的一列，再按那一列筛选。"
    ),
    r"index again: missing pictures leave the gallery": (
        "请重新建立索引，已不存在的图片会移出图库。"
    ),
    r"check that it exists and that you may read it": "请确认文件存在，并且可以读取。",
    r"give an ordinary file": "请换成普通文件。",
}


def reason(phrase: str) -> str:
    """Why something was refused."""
    return _translated(phrase, _REASONS)


def hint(phrase: str) -> str:
    """What to do about it."""
    return _translated(phrase, _HINTS)


def _translated(phrase: str, known: Mapping[str, str]) -> str:
    for pattern, chinese in known.items():
        if match := re.fullmatch(pattern, phrase, re.DOTALL):
            return match.expand(chinese)
    return phrase
