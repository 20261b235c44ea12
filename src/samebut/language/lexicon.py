"""The vocabulary of shops in English and Chinese: translations and a little grammar."""

from __future__ import annotations

from samebut.language import palette

COLOURS_ZH = {name: colour.zh for name, colour in palette.CAPTIONED.items()}
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

PATTERN_NOUNS = {
    "striped": "stripes", "printed": "print", "checked": "checks", "dotted": "dots",
    "floral": "flowers", "plaid": "plaid", "embroidered": "embroidery", "stripes": "stripes",
    "print": "print", "checks": "checks", "polka dot": "dots", "polka dots": "dots",
}  # fmt: skip
"""A pattern -> what a thing has then: "without stripes"."""

PATTERNS_ZH = {"solid": "纯色", "printed": "印花", "striped": "条纹", "checked": "格子"}
GENDERS_ZH = {"men": "男款", "women": "女款", "unisex": "中性", "boys": "男童", "girls": "女童"}

# Used in relative captions only. An entry added to the tables above would change the training
# captions.
MORE_ARTICLES_ZH = {
    "coat": "外套", "boots": "靴子", "boot": "靴子", "shoe": "鞋子", "sneakers": "运动鞋",
    "casual shoes": "休闲鞋", "sports shoes": "运动鞋", "formal shoes": "正装鞋", "hat": "帽子",
    "gloves": "手套", "bag": "包", "blouse": "女式衬衫", "cardigan": "开衫", "hoodie": "连帽衫",
    "blazer": "西装外套", "suit": "西装", "pants": "裤子", "jumpsuit": "连体裤", "pyjamas": "睡衣",
    "swimsuit": "泳衣", "bikini": "比基尼", "slippers": "拖鞋", "loafers": "乐福鞋",
    "pullover": "套头衫", "sofa": "沙发", "chair": "椅子", "table": "桌子", "lamp": "灯",
    "tshirt": "T恤", "tshirts": "T恤", "t-shirts": "T恤", "shirts": "衬衫", "tops": "上衣",
    "watches": "手表", "handbags": "手提包", "dresses": "连衣裙", "skirts": "裙子",
    "jackets": "夹克", "sweaters": "毛衣", "sweatshirts": "卫衣", "belts": "皮带",
    "wallets": "钱包", "caps": "帽子", "backpacks": "双肩包", "kurtas": "库尔塔长衫",
    "ties": "领带",
}  # fmt: skip
MORE_PATTERNS_ZH = {
    "plain": "纯色", "floral": "碎花", "dotted": "圆点", "polka dot": "波点", "polka dots": "波点",
    "stripes": "条纹", "checks": "格子", "gradient": "渐变", "plaid": "格纹", "camouflage": "迷彩",
    "leopard": "豹纹", "animal print": "动物纹", "paisley": "佩斯利花纹", "geometric": "几何图案",
    "embroidered": "刺绣", "striped across": "横条纹", "striped down": "竖条纹", "print": "印花",
}  # fmt: skip
MORE_GENDERS_ZH = {
    "unisex": "中性款", "boys": "男童款", "girls": "女童款", "kids": "童款", "male": "男款",
    "female": "女款", "baby": "婴儿款",
}  # fmt: skip
MATERIALS_ZH = {
    "cotton": "棉", "leather": "皮革", "wool": "羊毛", "silk": "真丝", "linen": "亚麻",
    "denim": "牛仔布", "polyester": "涤纶", "suede": "麂皮", "velvet": "丝绒", "satin": "缎面",
    "nylon": "尼龙", "canvas": "帆布", "cashmere": "羊绒", "wood": "木头", "metal": "金属",
    "plastic": "塑料", "glass": "玻璃",
}  # fmt: skip

# Names that shops give a column, by its meaning, the most certain first ("label" may be a brand).
# Names compare without case, spaces and underscores.
COLUMNS = {
    "colour": ("colour", "color", "basecolour", "basecolor", "colourname", "colorname",
               "maincolour", "maincolor", "颜色"),
    "article": ("article", "articletype", "kind", "type", "producttype", "item", "garment", "品类",
                "label"),
    "pattern": ("pattern", "print", "图案", "花纹"),
    "gender": ("gender", "sex", "性别"),
    "material": ("material", "fabric", "材质", "面料"),
    "title": ("title", "name", "productname", "producttitle", "productdisplayname", "标题"),
}  # fmt: skip

TRANSLATIONS = {
    "colour": {name: colour.zh for name, colour in palette.COLOURS.items()},
    "article": ARTICLES_ZH | MORE_ARTICLES_ZH,
    "pattern": PATTERNS_ZH | MORE_PATTERNS_ZH,
    "gender": GENDERS_ZH | MORE_GENDERS_ZH,
    "material": MATERIALS_ZH,
}

COLUMNS_ZH = {
    "colour": "颜色", "article": "款式", "pattern": "图案", "gender": "性别", "material": "材质",
    "neckline": "领口", "sleeve": "袖子", "length": "长度", "collar": "领子", "closure": "扣合方式",
    "shape": "版型", "brand": "品牌", "season": "季节", "usage": "用途", "style": "风格",
    "size": "尺寸", "fit": "版型", "hood": "帽兜", "pockets": "口袋", "belt": "腰带",
}  # fmt: skip

# Gender -> whom the goods are for, and the possessive: "for women", "the women's version".
PEOPLE = {
    "men": ("men", "men's"), "male": ("men", "men's"), "man": ("men", "men's"),
    "women": ("women", "women's"), "female": ("women", "women's"), "woman": ("women", "women's"),
    "boys": ("boys", "boys'"), "boy": ("boys", "boys'"), "girls": ("girls", "girls'"),
    "girl": ("girls", "girls'"), "kids": ("kids", "kids'"), "children": ("children", "children's"),
    "baby": ("babies", "baby"), "unisex": ("everyone", "unisex"),
}  # fmt: skip

# Worn or sold as two, or made of two halves: "a pair of jeans".
PAIRS = frozenset((
    "boots", "boxers", "briefs", "bottoms", "capris", "chinos", "cufflinks", "culottes", "earrings",
    "espadrilles", "flats", "flops", "glasses", "gloves", "goggles", "heels", "jeans", "joggers",
    "jeggings", "leggings", "loafers", "mittens", "moccasins", "mules", "pants", "pumps", "sandals",
    "shoes", "shorts", "slippers", "sneakers", "socks", "stockings", "sunglasses", "sweatpants",
    "swimshorts", "tights", "trainers", "trousers", "trunks",
))  # fmt: skip
UNCOUNTABLE = frozenset((
    "clothing", "footwear", "innerwear", "jewellery", "jewelry", "knitwear", "lingerie", "luggage",
    "nightwear", "outerwear", "swimwear", "underwear", "apparel", "headwear", "furniture",
))  # fmt: skip
# Words whose final "s" is not a plural.
SINGULAR_S = frozenset(("bus", "canvas", "lens", "gas", "swiss", "atlas", "chess"))
AN = ("hour", "heirloom", "honest")  # an "h" that is not spoken
A = ("uni", "use", "eu", "one ", "util")  # a vowel that begins with a consonant's sound

MEASURE_WORDS = {
    "双": ("鞋", "鞋子", "拖", "袜", "袜子", "靴", "靴子", "手套"),
    "条": (
        "裤",
        "裤子",
        "裙",
        "裙子",
        "皮带",
        "领带",
        "围巾",
        "项链",
        "手链",
        "披巾",
        "披肩",
        "纱丽",
    ),
    "块": ("手表",),
    "副": ("太阳镜", "耳环", "眼镜"),
    "个": ("包", "戒指"),
    "顶": ("帽子",),
    "瓶": ("香水", "指甲油"),
    "支": ("口红",),
    "套": ("套装", "西装"),
    "把": ("椅子",),
    "张": ("沙发", "桌子"),
    "盏": ("灯",),
}

_CLOTHES_ZH = (
    *("衣", "衫", "恤", "服", "装", "背心", "外套"),
    *ARTICLES_ZH.values(),
    *MORE_ARTICLES_ZH.values(),
)


def measure_word(noun: str) -> str:
    """The Chinese measure word of a noun by its ending: 双 for 凉鞋, 件 for clothes, else 个."""
    for word, endings in MEASURE_WORDS.items():
        if noun.endswith(endings):
            return word
    return "件" if noun.endswith(_CLOTHES_ZH) else "个"


def is_plural(noun: str) -> bool:
    """Whether an English noun phrase is plural by the form of its last word."""
    last = _last(noun)
    if last in PAIRS:
        return True
    return last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in SINGULAR_S


def indefinite(phrase: str, *, pairs: bool = True) -> str:
    """``phrase`` as one thing: "a shirt", "an olive shirt", "a pair of blue jeans", "blue tops".

    ``pairs`` False leaves "a pair of" out.
    """
    last = _last(phrase)
    if last in PAIRS:
        return f"a pair of {phrase}" if pairs else phrase
    if last in UNCOUNTABLE or is_plural(phrase):
        return phrase
    start = phrase.lower()
    vowel = start.startswith(AN) or (start[:1] in "aeiou" and not start.startswith(A))
    return f"{'an' if vowel else 'a'} {phrase}"


def definite(phrase: str) -> str:
    """``phrase`` as a thing known: "the shirt", "the pair of jeans"."""
    return f"the pair of {phrase}" if _last(phrase) in PAIRS else f"the {phrase}"


def people(gender: str) -> tuple[str, str]:
    """Whom a gender's goods are for, and whose they are; the word itself if it is not known."""
    return PEOPLE.get(gender.casefold(), (gender, gender))


def _last(phrase: str) -> str:
    return phrase.lower().rpartition(" ")[2]


def column(name: str) -> str:
    """The meaning of a catalogue's column: "colour" for "Base Color", the name itself if not
    known."""
    plain = _plain(name)
    return next((kind for kind, names in COLUMNS.items() if plain in names), name)


def sureness(name: str) -> int:
    """How uncertain a column's name is, 0 for the usual name of its meaning: of "type" and "label",
    which both may mean the article, the lower one does."""
    names = COLUMNS.get(column(name), (_plain(name),))
    return names.index(_plain(name))


def _plain(name: str) -> str:
    return "".join(name.lower().replace("_", " ").replace("-", " ").split())
