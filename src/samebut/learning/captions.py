"""Captions of catalogue pictures, in English and Chinese, for aligning pictures with words.

A row of a catalogue gives its title, or a phrase made from its attributes. Which attributes are
said is drawn anew each time, so the text tower learns each of them alone and together.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

Row = Mapping[str, str]

COLOURS_ZH = {
    "black": "黑色", "blue": "蓝色", "white": "白色", "grey": "灰色", "brown": "棕色",
    "red": "红色", "green": "绿色", "navy blue": "藏青色", "purple": "紫色", "pink": "粉色",
    "beige": "米色", "maroon": "褐红色", "yellow": "黄色", "silver": "银色", "olive": "橄榄绿",
    "orange": "橙色", "gold": "金色", "steel": "钢色", "cream": "奶油色", "tan": "棕褐色",
    "charcoal": "炭灰色", "khaki": "卡其色", "off white": "米白色", "lavender": "淡紫色",
    "peach": "桃色", "copper": "铜色", "magenta": "洋红色", "teal": "蓝绿色", "mustard": "芥末黄",
    "turquoise blue": "绿松石色", "coffee brown": "咖啡色", "bronze": "古铜色", "rust": "铁锈色",
    "sea green": "海绿色", "burgundy": "酒红色", "lime green": "青柠色",
}  # fmt: skip

ARTICLES_ZH = {
    "t-shirt": "T恤", "shoes": "鞋子", "shirt": "衬衫", "watch": "手表", "kurta": "库尔塔长衫",
    "top": "上衣", "handbag": "手提包", "sunglasses": "太阳镜", "sandals": "凉鞋", "wallet": "钱包",
    "flip flops": "人字拖", "belt": "皮带", "sweater": "毛衣", "polo shirt": "polo衫",
    "trousers": "长裤", "sweatshirt": "卫衣", "socks": "袜子", "jeans": "牛仔裤", "flats": "平底鞋",
    "briefs": "内裤", "backpack": "双肩包", "jacket": "夹克", "heels": "高跟鞋", "shorts": "短裤",
    "cap": "帽子", "track pants": "运动裤", "tie": "领带", "vest": "背心", "perfume": "香水",
    "dress": "连衣裙", "clutch": "手拿包", "jersey": "球衣", "bra": "文胸", "trunks": "平角裤",
    "earrings": "耳环", "skirt": "裙子", "tunic": "束腰上衣", "leggings": "打底裤",
    "capris": "七分裤",
    "scarf": "围巾", "necklace": "项链", "dupatta": "披巾", "nail polish": "指甲油",
    "tracksuit": "运动套装", "ring": "戒指", "nightdress": "睡裙", "bracelet": "手链",
    "lipstick": "口红", "boxers": "四角裤", "stole": "披肩", "saree": "纱丽", "waistcoat": "马甲",
    "lounge pants": "家居裤",
}  # fmt: skip

PATTERNS_ZH = {"solid": "纯色", "printed": "印花", "striped": "条纹", "checked": "格子"}
GENDERS_ZH = {"men": "男款", "women": "女款", "unisex": "中性", "boys": "男童", "girls": "女童"}

SAID = 0.8  # how often an attribute that is known is said
CHINESE = 0.3  # how often a caption is Chinese; queries are Chinese a sixth of the time
TITLE = 0.4  # how often an English caption is the title


def english(row: Row, dice: random.Random) -> str:
    """A phrase such as "striped blue shirt for men" from what the row knows."""
    said = _said(row, dice)
    looks = [said["pattern"], said["colour"]]
    dice.shuffle(looks)
    phrase = [*looks, said["article"]]
    if said["gender"]:
        phrase = (
            [*phrase, "for", said["gender"]] if dice.random() < 0.5 else [said["gender"], *phrase]
        )
    return " ".join(word for word in phrase if word)


def chinese(row: Row, dice: random.Random) -> str:
    """A phrase such as 男款蓝色条纹衬衫 from what the row knows."""
    said = _said(row, dice)
    parts = (
        GENDERS_ZH.get(said["gender"], ""),
        COLOURS_ZH.get(said["colour"], ""),
        PATTERNS_ZH.get(said["pattern"], ""),
        ARTICLES_ZH.get(said["article"], ""),
    )
    return ("的" if dice.random() < 0.2 else "").join(part for part in parts if part)


def caption(row: Row, dice: random.Random) -> str:
    """A caption of the row, drawn from its title and both languages; never empty."""
    if dice.random() < CHINESE:
        return row.get("title_zh") or chinese(row, dice) or row["title"]
    if dice.random() < TITLE:
        return row["title"]
    return english(row, dice) or row["title"]


def words(rows: Iterable[Row]) -> Iterator[str]:
    """Every title and every word of both languages, to train a tokenizer on."""
    for row in rows:
        yield row["title"]
        yield row.get("title_zh", "")
    for lexicon in (COLOURS_ZH, ARTICLES_ZH, PATTERNS_ZH, GENDERS_ZH):
        for source, translation in lexicon.items():
            yield source
            yield translation


def _said(row: Row, dice: random.Random) -> dict[str, str]:
    """The attributes to mention: each known one most of the time, the article nearly always."""
    known = {
        "pattern": row.get("pattern", "").replace("plain", ""),
        "colour": row.get("colour", ""),
        "article": row.get("article") or row.get("kind", ""),
        "gender": row.get("gender", ""),
    }
    chances = {"pattern": SAID, "colour": SAID, "article": 0.95, "gender": SAID / 2}
    return {name: known[name] if dice.random() < chances[name] else "" for name in known}
