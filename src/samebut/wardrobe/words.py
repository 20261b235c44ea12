"""The words for what can be drawn, in English and Chinese: tables only.

A :class:`Wording` lists ways to ask for a value. ``fragments`` complete "the same, ...";
``orders`` are imperative sentences; ``chinese`` are clauses, which Chinese joins with a comma.
``{old}`` is the word for the value before the change, ``{new}`` the word for the one after.
"""

from __future__ import annotations

from dataclasses import dataclass

from samebut.language.lexicon import TRANSLATIONS
from samebut.language.palette import COLOURS, DRAWN
from samebut.wardrobe.attributes import KINDS

# Exceptions to the lexicon's translations: a skirt, and below the pattern "plain", whose second
# colour is that of the trim.
KIND_ZH = {kind: TRANSLATIONS["article"][kind.casefold()] for kind in KINDS} | {"skirt": "半身裙"}
COLOUR_ZH = {name: COLOURS[name].drawn_zh or COLOURS[name].zh for name in DRAWN}

MOTIF_ZH = {
    "star": "星星",
    "heart": "爱心",
    "sun": "太阳",
    "moon": "月亮",
    "leaf": "树叶",
    "fish": "小鱼",
}

# A pattern as a noun: "with white stripes across", "without the stripes".
PATTERN_NOUN = {
    "plain": "trim",
    "striped across": "stripes across",
    "striped down": "stripes down",
    "checked": "checks",
    "dotted": "dots",
    "floral": "flowers",
    "gradient": "colour fade",
}
PATTERN_SHORT = PATTERN_NOUN | {"striped across": "stripes", "striped down": "stripes"}
PATTERN_ZH = {name: TRANSLATIONS["pattern"][name] for name in PATTERN_NOUN} | {"plain": "镶边"}
PATTERN_SHORT_ZH = PATTERN_ZH | {"striped across": "条纹", "striped down": "条纹"}

# A pattern as an adjective, for titles.
PATTERN_ADJECTIVE = {
    "plain": "",
    "striped across": "striped",
    "striped down": "vertically striped",
    "checked": "checked",
    "dotted": "dotted",
    "floral": "floral",
    "printed": "",
    "gradient": "gradient",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """Ways to ask for one thing; see the module's docstring."""

    fragments: tuple[str, ...]
    orders: tuple[str, ...]
    chinese: tuple[str, ...]

    def __add__(self, other: Wording) -> Wording:
        return Wording(
            self.fragments + other.fragments,
            self.orders + other.orders,
            self.chinese + other.chinese,
        )


COLOUR_OF_PLAIN = Wording(
    (
        "in {new}",
        "in {new} instead of {old}",
        "{new} rather than {old}",
        "not {old} but {new}",
        "of {a new} colour",
        "all in {new}",
    ),
    (
        "make it {new}",
        "change the colour to {new}",
        "change the colour from {old} to {new}",
        "swap {old} for {new}",
        "dye it {new}",
        "turn the {old} into {new}",
        "replace {old} with {new}",
    ),
    (
        "换成{new}",
        "改为{new}",
        "颜色变成{new}",
        "把{old}改成{new}",
        "要{new}的",
        "不要{old}，要{new}",
        "染成{new}",
    ),
)
# Where the item has a second colour, "in blue" would be ambiguous.
COLOUR_OF_TWO = Wording(
    (
        "with {new} instead of {old}",
        "{new} where it is {old} now",
        "with {new} as the main colour",
        "mainly {new} instead of {old}",
        "with {a new} base",
    ),
    (
        "swap {old} for {new}",
        "change the {old} to {new}",
        "make the main colour {new}",
        "turn the {old} parts {new}",
        "replace the {old} with {new}",
    ),
    (
        "把{old}换成{new}",
        "主色改为{new}",
        "底色换成{new}",
        "把{old}的部分改成{new}",
        "以{new}为主色",
    ),
)

# How to ask for a pattern: {c} its colour, {p} its noun. Printed motifs: {p} is the motif.
PATTERN_ON = {
    "any": Wording(
        ("with {c} {p}", "with {p} in {c}", "with {c} {p} on it"),
        ("add {c} {p}", "put {c} {p} on it", "give it {c} {p}"),
        ("加上{c}的{p}", "带{c}{p}", "要有{c}{p}", "配{c}的{p}图案"),
    ),
    "plain": Wording(
        ("with {c} trim", "with {c} details", "with contrasting parts in {c}", "trimmed in {c}"),
        ("add {c} trim", "give it {c} details", "trim it in {c}"),
        ("加上{c}镶边", "用{c}拼色", "配{c}的拼接", "带{c}拼接"),
    ),
    "gradient": Wording(
        ("fading to {c}", "with a fade to {c}", "fading into {c} at the end"),
        ("let it fade to {c}", "make it fade into {c}"),
        ("渐变到{c}", "渐变成{c}", "加上到{c}的渐变"),
    ),
    "printed": Wording(
        ("with {a c} {p} on it", "with {a p} printed in {c}", "with {a c} {p} print"),
        ("print {a c} {p} on it", "add {a p} in {c}", "put {a c} {p} on it"),
        ("印一个{c}的{p}", "加上{c}{p}图案", "带{c}{p}印花"),
    ),
}
PATTERN_OFF = {
    "any": Wording(
        ("without the {p}", "with no {p}", "plain, no {p}", "minus the {p}"),
        ("remove the {p}", "lose the {p}", "drop the {p}", "get rid of the {p}"),
        ("去掉{p}", "不要{p}", "没有{p}", "纯色，不要{p}"),
    ),
    "plain": Wording(
        ("without the {c} trim", "in one colour only", "all in one colour", "with no {c} parts"),
        ("remove the {c} trim", "lose the {c} details", "make it one colour only"),
        ("去掉{c}的拼接", "不要{c}拼色", "只要一种颜色", "不要{c}镶边"),
    ),
    "printed": Wording(
        ("without the {p}", "with no print", "without the {p} print", "plain, no {p}"),
        ("remove the {p}", "lose the print", "take the {p} off"),
        ("去掉{p}", "不要{p}图案", "不要印花", "没有{p}"),
    ),
}
PLAINER = Wording(
    ("plain", "in plain {colour}", "in solid {colour}", "simpler, in just {colour}"),
    ("make it plain", "make it plain {colour}", "keep only the {colour}"),
    ("换成纯色", "要纯{colour}的", "简单一点，只要{colour}", "素一点，换成纯色"),
)
# One pattern for another. The old pattern: {p} as a noun alone, {n} after "the", its colour {c};
# the new pattern: {q}, its colour {d}.
PATTERN_SWAP = Wording(
    ("with {q} instead of {p}", "with {q} rather than {p}", "not with {p} but with {q}"),
    ("swap the {n} for {q}", "change the {n} to {q}", "replace the {n} with {q}"),
    ("把{n}换成{q}", "不要{n}，要{q}", "{n}改成{q}"),
)
SECOND_SWAP = {
    "any": Wording(
        ("with {d} {p} instead of {c}", "with the {p} in {d}", "with {d} rather than {c} {p}"),
        ("make the {p} {d}", "change the {p} from {c} to {d}", "turn the {p} {d}"),
        ("{p}换成{d}", "把{p}从{c}改成{d}", "{p}要{d}的", "把{c}{p}换成{d}"),
    ),
    "gradient": Wording(
        ("fading to {d} instead of {c}", "fading to {d}, not to {c}", "with {d} at the far end"),
        ("let it fade to {d}", "change the {c} end to {d}", "make it fade to {d}, not {c}"),
        ("渐变到{d}", "渐变的{c}换成{d}", "不要渐变到{c}，要{d}"),
    ),
    "printed": Wording(
        ("with {a d} {p} instead of {a c} one", "with the {p} in {d}", "with {a d} {p}"),
        ("make the {p} {d}", "change the {p} from {c} to {d}", "print the {p} in {d}"),
        ("{p}换成{d}", "把{p}从{c}改成{d}", "{p}印花要{d}的"),
    ),
}
PATTERN_AND_SECOND_SWAP = Wording(
    ("with {q} instead of the {n}", "with {q}, not {p}", "with {q} rather than {p}"),
    ("swap the {n} for {q}", "replace the {n} with {q}", "exchange the {n} for {q}"),
    ("把{n}换成{q}", "不要{n}，换成{q}", "{n}改成{q}"),
)


# By (aspect, value) or (aspect, value, kind); the longer key wins. The values "_more" and "_less"
# are comparatives ("longer"): used only where the new value is the only one in that direction.
WORDINGS: dict[tuple[str, ...], Wording] = {
    ("sleeve", "sleeveless"): Wording(
        ("sleeveless", "without sleeves", "with no sleeves", "with bare arms"),
        ("remove the sleeves", "make it sleeveless", "take the sleeves off"),
        ("去掉袖子", "换成无袖的", "不要袖子", "无袖款"),
    ),
    ("sleeve", "short"): Wording(
        ("with short sleeves", "short-sleeved", "in a short-sleeved version"),
        ("give it short sleeves", "make the sleeves short", "change it to short sleeves"),
        ("换成短袖", "要短袖的", "改成短袖", "短袖款"),
    ),
    ("sleeve", "long"): Wording(
        ("with long sleeves", "long-sleeved", "with sleeves down to the wrist"),
        ("give it long sleeves", "make the sleeves long", "change it to long sleeves"),
        ("换成长袖", "要长袖的", "改成长袖", "长袖款"),
    ),
    ("sleeve", "_more"): Wording(
        ("with longer sleeves", "with sleeves that reach further down", "longer in the sleeves"),
        ("make the sleeves longer", "lengthen the sleeves"),
        ("袖子长一点", "袖子更长", "把袖子加长"),
    ),
    ("sleeve", "_less"): Wording(
        ("with shorter sleeves", "with less sleeve", "shorter in the sleeves"),
        ("make the sleeves shorter", "shorten the sleeves"),
        ("袖子短一点", "袖子更短", "把袖子改短"),
    ),
    ("length", "short"): Wording(
        ("in a short length", "short instead of {old}", "cut short"),
        ("make it short", "cut it short"),
        ("换成短款", "要短款的", "改成短的"),
    ),
    ("length", "short", "scarf"): Wording(
        ("cut short", "in a short version", "short instead of long"),
        ("make it short", "cut it short"),
        ("换成短的", "要短款的", "改短"),
    ),
    ("length", "short", "T-shirt"): Wording(
        ("cropped", "cropped at the waist", "cut short at the waist"),
        ("crop it", "make it cropped", "cut it off at the waist"),
        ("换成短款", "要露腰的短款", "改成短上衣"),
    ),
    ("length", "regular"): Wording(
        ("in a regular length", "not cropped", "down to the hips"),
        ("make it regular length", "don't crop it", "lengthen it to the hips"),
        ("换成常规长度", "不要短款", "盖住腰的长度"),
    ),
    ("length", "knee-length"): Wording(
        ("knee-length", "in knee length", "down to the knee"),
        ("make it knee-length", "let it end at the knee"),
        ("换成及膝的", "到膝盖的长度", "改成及膝款"),
    ),
    ("length", "ankle"): Wording(
        ("ankle-high", "only up to the ankle", "in ankle height"),
        ("make it an ankle boot", "cut it down to the ankle"),
        ("换成短靴", "只到脚踝", "改成踝靴"),
    ),
    ("length", "knee-length", "boot"): Wording(
        ("knee-high", "up to the knee", "with a high shaft"),
        ("make it knee-high", "make it a tall boot"),
        ("换成长筒靴", "到膝盖的高筒", "改成高筒"),
    ),
    ("length", "cropped"): Wording(
        ("cropped", "ending above the ankle", "in a cropped length"),
        ("crop the legs", "make it cropped"),
        ("换成九分裤", "裤腿改短到脚踝以上", "要九分长度"),
    ),
    ("length", "long"): Wording(
        ("in a long length", "long instead of {old}", "cut long"),
        ("make it long", "let it be long"),
        ("换成长款", "要长款的", "改成长的"),
    ),
    ("length", "long", "dress"): Wording(
        ("long instead of {old}", "down to the floor", "as a maxi dress"),
        ("make it long", "make it a maxi dress"),
        ("换成长款", "长到脚踝", "改成拖地长裙"),
    ),
    ("length", "_more"): Wording(
        ("longer", "a bit longer", "in a longer cut"),
        ("make it longer", "lengthen it"),
        ("长一点", "更长一些", "把它加长"),
    ),
    ("length", "_less"): Wording(
        ("shorter", "a bit shorter", "in a shorter cut"),
        ("make it shorter", "shorten it"),
        ("短一点", "更短一些", "把它改短"),
    ),
    ("length", "_more", "boot"): Wording(
        ("taller", "with a higher shaft", "reaching further up the leg"),
        ("make it taller", "make the shaft higher"),
        ("靴筒高一点", "更高筒", "把靴筒加高"),
    ),
    ("length", "_less", "boot"): Wording(
        ("lower", "with a lower shaft", "not so tall"),
        ("make it lower", "make the shaft lower"),
        ("靴筒矮一点", "更矮的靴筒", "把靴筒改矮"),
    ),
    ("closure", "none"): Wording(
        ("without the {old}", "with no {old}", "minus the {old}"),
        ("remove the {old}", "lose the {old}", "leave out the {old}"),
        ("去掉{old}", "不要{old}", "没有{old}"),
    ),
    ("closure", "buttons"): Wording(
        ("with buttons", "buttoned down the front", "with buttons down the front"),
        ("add buttons", "give it buttons", "let it button up"),
        ("加上纽扣", "要有扣子", "换成纽扣的", "前面带扣子"),
    ),
    ("closure", "zip"): Wording(
        ("with a zip", "zipped", "with a zipper"),
        ("add a zip", "give it a zip", "let it zip up"),
        ("加上拉链", "要拉链的", "换成拉链", "带拉链"),
    ),
    ("closure", "laces"): Wording(
        ("with laces", "laced up", "as a lace-up"),
        ("add laces", "give it laces", "make it a lace-up"),
        ("加上鞋带", "要系带的", "换成系带款"),
    ),
    ("pockets", "yes"): Wording(
        ("with pockets", "with somewhere to put things", "with useful pockets"),
        ("add pockets", "give it pockets", "sew pockets on"),
        ("加上口袋", "要有口袋", "带口袋的", "多个口袋"),
    ),
    ("pockets", "no"): Wording(
        ("without pockets", "with no pockets", "minus the pockets"),
        ("remove the pockets", "lose the pockets", "leave out the pockets"),
        ("去掉口袋", "不要口袋", "没有口袋的"),
    ),
    ("pockets", "yes", "T-shirt"): Wording(
        ("with a pocket on the chest", "with a chest pocket", "with a pocket"),
        ("add a chest pocket", "put a pocket on the chest"),
        ("胸前加个口袋", "要有胸袋", "带一个口袋"),
    ),
    ("pockets", "no", "T-shirt"): Wording(
        ("without the pocket", "with no chest pocket", "minus the pocket"),
        ("remove the pocket", "take the pocket off the chest"),
        ("去掉胸前口袋", "不要口袋", "没有胸袋"),
    ),
    ("pockets", "yes", "bag"): Wording(
        ("with a pocket on the front", "with an outer pocket", "with a front pocket"),
        ("add a front pocket", "put a pocket on the outside"),
        ("外面加个口袋", "要有前袋", "带外袋的"),
    ),
    ("pockets", "no", "bag"): Wording(
        ("without the front pocket", "with no pocket outside", "minus the pocket"),
        ("remove the front pocket", "leave out the outer pocket"),
        ("去掉前面的口袋", "不要外袋", "没有前袋"),
    ),
    ("belt", "yes"): Wording(
        ("with a belt", "belted", "with a belt around the waist"),
        ("add a belt", "put a belt on it", "give it a belt"),
        ("加一条腰带", "系上腰带", "带腰带的", "要有腰带"),
    ),
    ("belt", "no"): Wording(
        ("without the belt", "with no belt", "minus the belt", "beltless"),
        ("remove the belt", "lose the belt", "take the belt off"),
        ("去掉腰带", "不要腰带", "没有腰带的"),
    ),
    ("neck", "round neck"): Wording(
        ("with a round neck", "with a crew neck", "round at the neck"),
        ("give it a round neck", "make the neckline round"),
        ("换成圆领", "要圆领的", "领口改成圆的"),
    ),
    ("neck", "V-neck"): Wording(
        ("with a V-neck", "V-necked", "with a V at the neck"),
        ("give it a V-neck", "make the neckline a V"),
        ("换成V领", "要V领的", "领口改成V形"),
    ),
    ("neck", "square neck"): Wording(
        ("with a square neck", "with a square neckline", "square at the neck"),
        ("give it a square neck", "make the neckline square"),
        ("换成方领", "要方领的", "领口改成方的"),
    ),
    ("neck", "high neck"): Wording(
        ("with a high neck", "with a turtleneck", "as a turtleneck"),
        ("give it a high neck", "make it a turtleneck"),
        ("换成高领", "要高领的", "领子高一些"),
    ),
    ("neck", "pointed collar"): Wording(
        ("with a pointed collar", "with a classic collar", "with a pointed shirt collar"),
        ("give it a pointed collar", "add a pointed collar"),
        ("换成尖领", "要尖角衬衫领", "加上尖领"),
    ),
    ("neck", "pointed collar", "T-shirt"): Wording(
        ("with a polo collar", "as a polo shirt", "with a collar"),
        ("add a collar", "make it a polo shirt", "give it a polo collar"),
        ("换成polo领", "加上翻领", "要polo衫款"),
    ),
    ("neck", "band collar"): Wording(
        ("with a band collar", "with a stand-up collar", "with a low standing collar"),
        ("give it a band collar", "make the collar stand up"),
        ("换成立领", "要立领的", "领子改成立领"),
    ),
    ("neck", "round collar"): Wording(
        ("with a round collar", "with a Peter Pan collar", "with a rounded collar"),
        ("give it a round collar", "round off the collar"),
        ("换成娃娃领", "要圆角翻领", "领子改成娃娃领"),
    ),
    ("neck", "lapels"): Wording(
        ("with lapels", "with a notched lapel collar", "with a lapel"),
        ("give it lapels", "add lapels"),
        ("换成西装领", "要翻驳领", "加上西装领"),
    ),
    ("neck", "hood"): Wording(
        ("with a hood", "hooded", "with a hood to pull up"),
        ("add a hood", "give it a hood", "put a hood on it"),
        ("加上帽子", "要连帽的", "带兜帽", "换成连帽款"),
    ),
    ("neck", "no collar"): Wording(
        ("without the {old}", "collarless", "with nothing at the neck, no {old}"),
        ("remove the {old}", "lose the {old}"),
        ("去掉{old}", "不要{old}", "换成无领的"),
    ),
    ("shape", "straight", "dress"): Wording(
        ("in a straight cut", "with a slim skirt", "close to the body"),
        ("make it straight", "make the skirt narrow"),
        ("换成直筒的", "裙摆收窄", "修身直筒款"),
    ),
    ("shape", "flared", "dress"): Wording(
        ("with a flared skirt", "with a fuller skirt", "swinging out below the waist"),
        ("flare the skirt", "make the skirt wider"),
        ("换成大摆的", "裙摆大一点", "要伞形裙摆"),
    ),
    ("shape", "straight", "skirt"): Wording(
        ("in a straight cut", "as a pencil skirt", "narrow instead of {old}"),
        ("make it straight", "turn it into a pencil skirt"),
        ("换成直筒裙", "改成包臀铅笔裙", "要直筒的"),
    ),
    ("shape", "flared", "skirt"): Wording(
        ("flared", "as a swing skirt", "with a wide swing"),
        ("flare it", "make it a swing skirt"),
        ("换成伞裙", "改成大摆裙", "要A字大摆的"),
    ),
    ("shape", "pleated", "skirt"): Wording(
        ("pleated", "with pleats", "as a pleated skirt"),
        ("pleat it", "add pleats"),
        ("换成百褶裙", "加上褶子", "要百褶的"),
    ),
    ("shape", "slim"): Wording(
        ("in a slim cut", "with slim legs", "tight in the legs"),
        ("make the legs slim", "make it slim"),
        ("换成修身的", "裤腿收紧", "要紧身款"),
    ),
    ("shape", "straight", "trousers"): Wording(
        ("in a straight cut", "with straight legs", "straight-legged"),
        ("make the legs straight", "give it a straight cut"),
        ("换成直筒裤", "裤腿改直筒", "要直筒的"),
    ),
    ("shape", "wide"): Wording(
        ("in a wide cut", "with wide legs", "wide-legged"),
        ("make the legs wide", "let the legs flare out"),
        ("换成阔腿的", "裤腿要宽大", "要阔腿款"),
    ),
    ("shape", "_more", "trousers"): Wording(
        ("with wider legs", "looser in the legs", "in a looser cut"),
        ("make the legs wider", "loosen the legs"),
        ("裤腿宽一点", "更宽松一些"),
    ),
    ("shape", "_less", "trousers"): Wording(
        ("with narrower legs", "tighter in the legs", "in a slimmer cut"),
        ("make the legs narrower", "take in the legs"),
        ("裤腿窄一点", "更修身一些"),
    ),
    ("shape", "_more", "shorts"): Wording(
        ("with wider legs", "looser in the legs", "in a looser cut"),
        ("make the legs wider", "loosen the legs"),
        ("裤腿宽一点", "更宽松一些"),
    ),
    ("shape", "_less", "shorts"): Wording(
        ("with narrower legs", "tighter in the legs", "in a slimmer cut"),
        ("make the legs narrower", "take in the legs"),
        ("裤腿窄一点", "更修身一些"),
    ),
    ("shape", "sneaker"): Wording(
        (
            "as a sneaker",
            "as a trainer",
            "a sneaker instead of {a old}",
            "with laces and a rubber sole",
        ),
        ("make it a sneaker", "turn it into a trainer"),
        ("换成运动鞋", "改成球鞋", "要运动鞋款"),
    ),
    ("shape", "loafer"): Wording(
        ("as a loafer", "as a slip-on loafer", "a loafer instead of {a old}"),
        ("make it a loafer", "turn it into a loafer"),
        ("换成乐福鞋", "改成一脚蹬的乐福鞋", "要乐福鞋款"),
    ),
    ("shape", "pump"): Wording(
        ("as a pump", "with a high heel", "a pump instead of {a old}", "as a high-heeled shoe"),
        ("make it a pump", "turn it into a high heel"),
        ("换成高跟鞋", "改成细高跟", "要高跟款"),
    ),
    ("shape", "flat", "boot"): Wording(
        ("with a flat sole", "flat, without the heel", "with no heel"),
        ("make it flat", "take off the heel"),
        ("换成平底的", "不要高跟", "鞋跟改平"),
    ),
    ("shape", "heeled", "boot"): Wording(
        ("with a heel", "with a higher heel", "on a heel"),
        ("add a heel", "put it on a heel"),
        ("加上高跟", "鞋跟高一点", "换成有跟的"),
    ),
    ("shape", "tote"): Wording(
        ("as a tote", "as a shopper with two handles", "a tote instead of {a old}"),
        ("make it a tote", "turn it into a shopper"),
        ("换成托特包", "改成手提购物袋", "要托特款"),
    ),
    ("shape", "satchel"): Wording(
        ("as a satchel", "as a satchel with a flap", "a satchel instead of {a old}"),
        ("make it a satchel", "turn it into a satchel with buckles"),
        ("换成邮差包", "改成翻盖公文包", "要翻盖款"),
    ),
    ("shape", "backpack"): Wording(
        ("as a backpack", "as a rucksack", "a backpack instead of {a old}"),
        ("make it a backpack", "turn it into a rucksack"),
        ("换成双肩包", "改成背包", "要双肩款"),
    ),
    ("shape", "cap"): Wording(
        ("as a baseball cap", "as a cap", "a cap instead of {a old}"),
        ("make it a baseball cap", "turn it into a cap with a visor"),
        ("换成棒球帽", "改成鸭舌帽", "要棒球帽款"),
    ),
    ("shape", "brimmed"): Wording(
        ("as a hat with a wide brim", "as a fedora", "with a wide brim all around"),
        ("make it a fedora", "turn it into a wide-brimmed hat"),
        ("换成宽檐礼帽", "改成费多拉帽", "要宽帽檐的"),
    ),
    ("shape", "bucket"): Wording(
        ("as a bucket hat", "as a soft bucket hat", "a bucket hat instead of {a old}"),
        ("make it a bucket hat", "turn it into a bucket hat"),
        ("换成渔夫帽", "改成渔夫帽", "要渔夫帽款"),
    ),
    ("shape", "beanie"): Wording(
        ("as a beanie", "as a knitted beanie", "as a woolly hat with a pompom"),
        ("make it a beanie", "turn it into a bobble hat"),
        ("换成毛线帽", "改成带毛球的针织帽", "要毛线帽款"),
    ),
    ("shape", "folded"): Wording(
        ("folded, not knotted", "hanging straight", "just folded over"),
        ("undo the knot", "fold it instead of knotting it"),
        ("不要打结，对折就好", "把结解开", "换成对折垂着的"),
    ),
    ("shape", "knotted"): Wording(
        ("knotted", "tied in a knot", "with a knot at the neck"),
        ("tie a knot in it", "knot it"),
        ("打个结", "换成系结的", "要打结的款式"),
    ),
    ("shape", "round", "watch"): Wording(
        ("with a round face", "with a round dial", "round, not square"),
        ("make the dial round", "give it a round case"),
        ("换成圆形表盘", "表盘要圆的", "改成圆表"),
    ),
    ("shape", "square", "watch"): Wording(
        ("with a square face", "with a square dial", "square, not round"),
        ("make the dial square", "give it a square case"),
        ("换成方形表盘", "表盘要方的", "改成方表"),
    ),
}

# Style words: each stands for one value of an aspect, and fits no other value of it.
STYLES: dict[tuple[str, ...], Wording] = {
    ("sleeve", "short", "shirt"): Wording(
        ("more summery", "for warmer days", "less formal in the sleeves"),
        ("make it a summer shirt",),
        ("更适合夏天", "更清凉一点"),
    ),
    ("sleeve", "long", "shirt"): Wording(
        ("warmer", "for cooler days", "more formal in the sleeves"),
        ("make it warmer",),
        ("更适合秋天", "暖和一点"),
    ),
    ("sleeve", "sleeveless", "sweater"): Wording(
        ("as a vest", "as a slipover", "for layering over a shirt"),
        ("turn it into a vest",),
        ("换成马甲", "改成背心款"),
    ),
    ("sleeve", "long", "sweater"): Wording(
        ("warmer, as a proper pullover", "no longer a vest"),
        ("turn the vest into a pullover",),
        ("不要背心款，更暖和的", "暖和一点，不要马甲"),
    ),
    ("sleeve", "sleeveless", "T-shirt"): Wording(
        ("as a tank top", "as airy as it gets"),
        ("make it a tank top",),
        ("换成背心", "要最清凉的背心款"),
    ),
    ("neck", "pointed collar", "T-shirt"): Wording(
        ("more formal at the neck", "smarter, with a collar"),
        ("smarten it up with a collar",),
        ("正式一点，要有领子", "更正式的翻领"),
    ),
    ("neck", "hood", "coat"): Wording(
        ("ready for rain, with a hood", "sportier, with a hood"),
        ("make it rainproof with a hood",),
        ("下雨也能穿，带帽子", "更运动，连帽的"),
    ),
    ("neck", "hood", "sweater"): Wording(
        ("as a hoodie", "more casual, as a hoodie"),
        ("make it a hoodie",),
        ("换成卫衣连帽款", "更休闲，带帽子"),
    ),
    ("neck", "lapels", "coat"): Wording(
        ("more formal, with lapels", "dressier, with lapels"),
        ("make it more formal with lapels",),
        ("更正式，要西装领", "正式一点的西装领"),
    ),
    ("length", "long", "dress"): Wording(
        ("for the evening, floor-length", "more formal, down to the floor"),
        ("make it an evening gown",),
        ("更正式，长及地面", "晚礼服的长度"),
    ),
    ("length", "cropped", "trousers"): Wording(
        ("more summery", "showing the ankles"),
        ("make it more summery",),
        ("更适合夏天", "露出脚踝"),
    ),
    ("length", "short", "coat"): Wording(
        ("as a jacket", "cut like a jacket"),
        ("turn it into a jacket",),
        ("换成短夹克", "改成夹克长度"),
    ),
    ("shape", "sneaker"): Wording(
        ("sportier", "for the gym", "less formal, for sport"),
        ("make it sportier",),
        ("更运动一点", "适合跑步的", "没那么正式，运动一点"),
    ),
    ("shape", "loafer"): Wording(
        ("for the office, without laces or heels", "flat and classic, to slip on"),
        ("make it an office shoe to slip on",),
        ("适合上班、一脚蹬的平底款", "经典的平底便鞋"),
    ),
    ("shape", "pump"): Wording(
        ("more elegant, for the evening", "dressier", "for a party"),
        ("make it dressier",),
        ("更优雅，适合晚宴", "更适合派对", "更正式的高跟"),
    ),
    ("shape", "flat", "boot"): Wording(
        ("better for long walks", "more comfortable to walk in"),
        ("make it comfortable to walk in",),
        ("更适合走路", "走路更舒服的"),
    ),
    ("shape", "heeled", "boot"): Wording(
        ("dressier", "more elegant", "less casual"),
        ("make it dressier",),
        ("更优雅一点", "更正式一点"),
    ),
    ("shape", "tote"): Wording(
        ("for the beach", "for shopping"),
        ("make it a bag for shopping",),
        ("适合购物的", "去海边用的"),
    ),
    ("shape", "satchel"): Wording(
        ("more formal", "for the office", "more businesslike"),
        ("make it a bag for the office",),
        ("更正式一点", "适合上班的", "更商务"),
    ),
    ("shape", "backpack"): Wording(
        ("for hiking", "to carry on the back", "less formal, for school"),
        ("make it a bag for hiking",),
        ("适合徒步的", "背在背上的", "适合上学的"),
    ),
    ("shape", "cap"): Wording(
        ("sportier", "for the ball game"),
        ("make it sportier",),
        ("更运动一点", "适合打球戴的"),
    ),
    ("shape", "brimmed"): Wording(
        ("more elegant", "more formal", "dressier"),
        ("make it more elegant",),
        ("更优雅一点", "更正式一点"),
    ),
    ("shape", "beanie"): Wording(
        ("warmer", "for winter", "for skiing"),
        ("make it warm enough for winter",),
        ("更保暖", "适合冬天的", "滑雪戴的"),
    ),
    ("pattern", "plain"): Wording(
        ("less busy, all {colour}", "more sober, just {colour}", "less loud, only {colour}"),
        ("tone it down to plain {colour}",),
        ("低调一点，只要{colour}", "没那么花，纯{colour}"),
    ),
    ("pattern", "floral"): Wording(
        ("more romantic, same two colours", "as if for a garden party, same colours"),
        ("make it more romantic, in the same colours",),
        ("更浪漫一点，颜色不变", "更田园风，配色不变"),
    ),
    ("pattern", "dotted"): Wording(
        ("more playful, polka dots in the same colours",),
        ("make it polka-dotted in the same colours",),
        ("更俏皮，同色波点", "换成同样颜色的波点"),
    ),
    ("pattern", "striped across"): Wording(
        ("more nautical, same colours", "like a sailor's, same colours"),
        ("make it nautical, in the same colours",),
        ("海魂衫风格，颜色不变", "更水手风，配色不变"),
    ),
    ("pattern", "checked"): Wording(
        ("more rustic, like a picnic blanket, same colours", "lumberjack style, same colours"),
        ("make it lumberjack style, in the same colours",),
        ("更像野餐布，颜色不变", "伐木工风格，配色不变"),
    ),
}

# Values as nouns, for "with a zip instead of buttons".
THINGS: dict[str, tuple[str, str]] = {
    "buttons": ("buttons", "纽扣"),
    "zip": ("a zip", "拉链"),
    "laces": ("laces", "鞋带"),
    "round neck": ("a round neck", "圆领"),
    "V-neck": ("a V-neck", "V领"),
    "square neck": ("a square neck", "方领"),
    "high neck": ("a high neck", "高领"),
    "pointed collar": ("a pointed collar", "尖领"),
    "band collar": ("a band collar", "立领"),
    "round collar": ("a round collar", "娃娃领"),
    "lapels": ("lapels", "西装领"),
    "hood": ("a hood", "兜帽"),
}
THING_SWAP = Wording(
    (
        "with {new} instead of {old}",
        "with {new} rather than {old}",
        "not with {old} but with {new}",
    ),
    ("swap {old} for {new}", "replace {old} with {new}"),
    ("把{old}换成{new}", "不要{old}，要{new}"),
)

# A change of kind; colours and pattern are kept.
KIND_CHANGE = Wording(
    (
        "as {a new}",
        "the same as {a new}",
        "{a new} instead of {a old}",
        "{a new} rather than {a old}, same colours and pattern",
        "{a new} of the same cloth",
        "{a new} to match",
        "same colours and pattern, but {a new}",
    ),
    (
        "make it {a new}",
        "turn {the old} into {a new}",
        "find me {a new} that matches",
        "keep the colours and pattern, make it {a new}",
        "show {a new} that goes with it",
        "swap {the old} for {a new} in the same colours",
    ),
    (
        "换成同色同花纹的{new}",
        "把{old}换成{new}，颜色图案不变",
        "同样颜色和图案的{new}",
        "要搭配的{new}",
        "不要{old}，要同款的{new}",
        "同款{new}",
        "有没有配套的{new}",
    ),
)
# The noun in a title for a kind of a certain shape.
NOUNS: dict[tuple[str, str], tuple[str, str]] = {
    ("dress", "straight"): ("straight dress", "直筒连衣裙"),
    ("dress", "flared"): ("flared dress", "大摆连衣裙"),
    ("skirt", "straight"): ("straight skirt", "直筒半身裙"),
    ("skirt", "flared"): ("flared skirt", "大摆半身裙"),
    ("skirt", "pleated"): ("pleated skirt", "百褶半身裙"),
    ("trousers", "slim"): ("slim trousers", "修身长裤"),
    ("trousers", "straight"): ("straight trousers", "直筒长裤"),
    ("trousers", "wide"): ("wide trousers", "阔腿长裤"),
    ("shorts", "slim"): ("slim shorts", "修身短裤"),
    ("shorts", "wide"): ("wide shorts", "阔腿短裤"),
    ("shoe", "sneaker"): ("sneaker", "运动鞋"),
    ("shoe", "loafer"): ("loafer", "乐福鞋"),
    ("shoe", "pump"): ("pump", "高跟鞋"),
    ("boot", "flat"): ("flat boot", "平底靴"),
    ("boot", "heeled"): ("heeled boot", "高跟靴"),
    ("bag", "tote"): ("tote bag", "托特包"),
    ("bag", "satchel"): ("satchel", "翻盖包"),
    ("bag", "backpack"): ("backpack", "双肩包"),
    ("hat", "cap"): ("baseball cap", "棒球帽"),
    ("hat", "brimmed"): ("wide-brimmed hat", "宽檐帽"),
    ("hat", "bucket"): ("bucket hat", "渔夫帽"),
    ("hat", "beanie"): ("beanie", "毛线帽"),
    ("scarf", "folded"): ("folded scarf", "对折围巾"),
    ("scarf", "knotted"): ("knotted scarf", "打结围巾"),
    ("watch", "round"): ("round watch", "圆形手表"),
    ("watch", "square"): ("square watch", "方形手表"),
}
# Attribute value -> its words in a title, in front of the noun or after "with".
TITLE_LENGTHS: dict[tuple[str, ...], tuple[str, str]] = {
    ("short",): ("short", "短款"),
    ("short", "T-shirt"): ("cropped", "露腰"),
    ("knee-length",): ("knee-length", "及膝"),
    ("knee-length", "boot"): ("knee-high", "高筒"),
    ("long",): ("long", "长款"),
    ("cropped",): ("cropped", "九分"),
    ("ankle",): ("ankle", "短筒"),
}
TITLE_SLEEVES = {
    "sleeveless": ("no sleeves", "无袖"),
    "short": ("short sleeves", "短袖"),
    "long": ("long sleeves", "长袖"),
}

# Sentences into which joined fragments, orders and Chinese clauses are inserted.
FRAMES = {
    "fragments": ("{1}", "{1}", "the same, {1}", "same but {1}", "like this one, {1}"),
    "orders": ("{1}", "{1}", "please {1}", "could you {1}", "{1}, keep the rest", "just {1}"),
    "chinese": ("{1}", "{1}", "同款，{1}", "同款，但{1}", "一样的，{1}", "{1}，其他不变"),
}
TWO_STEPS = (
    "first {1}, then {2}",
    "{1}, and then {2}",
    "{1}; after that, {2}",
    "{1}. now {2}",
    "{1} and {2}",
)
TWO_STEPS_ZH = ("先{1}，再{2}", "{1}，然后{2}", "{1}，再{2}", "{1}；接着{2}", "{1}，并且{2}")
