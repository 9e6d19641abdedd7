"""The words of the captions: motifs, colours, sizes, repeats, directions, finishes.

Two sets, one per range (see `ranges`): the words of the first range never change, because the
shipped tokenizer and model know exactly these. Refuses a word that means two things in one range.
"""

from __future__ import annotations

from training.lattice import Lattice

# What people write for a colour; the first word is the plain one and is drawn most often.
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "black": ("black", "jet black", "ebony", "charcoal"),
    "white": ("white", "pure white", "snow white", "bright white"),
    "grey": ("grey", "gray", "slate", "silver"),
    "cream": ("cream", "ivory", "ecru", "off-white", "beige"),
    "brown": ("brown", "chocolate", "coffee", "walnut"),
    "red": ("red", "crimson", "scarlet", "ruby", "cherry"),
    "orange": ("orange", "tangerine", "rust", "terracotta"),
    "yellow": ("yellow", "mustard", "gold", "golden", "ochre"),
    "green": ("green", "emerald", "forest green", "grass green"),
    "sage": ("sage", "sage green", "mint", "pale green"),
    "teal": ("teal", "turquoise", "petrol", "dark cyan"),
    "sky": ("sky blue", "light blue", "pale blue", "baby blue"),
    "blue": ("blue", "cobalt", "royal blue", "cobalt blue"),
    "navy": ("navy", "navy blue", "midnight blue", "dark blue", "indigo"),
    "purple": ("purple", "violet", "plum", "aubergine"),
    "pink": ("pink", "rose", "blush", "pale pink"),
}
NOUNS: dict[str, tuple[str, ...]] = {
    "dot": ("polka dots", "dots", "spots", "polka dot", "dotted", "polka"),
    "ring": ("rings", "hoops", "circles", "ring", "open circles"),
    "stripe": ("stripes", "stripe", "striped", "lines"),
    "gingham": ("gingham", "gingham check", "vichy", "gingham plaid", "plaid"),
    "check": ("checks", "checkerboard", "chequerboard", "check", "checkered squares", "squares"),
    "chevron": ("chevrons", "chevron", "zigzag", "zigzags", "zig zag", "herringbone zigzag"),
    "wave": ("waves", "wave", "wavy lines", "ripples", "wavy"),
    "scallop": ("scallops", "scallop", "fish scales", "mermaid scales", "scales", "seigaiha"),
    "diamond": ("diamonds", "diamond", "argyle", "harlequin diamonds", "lozenges"),
    "trellis": ("trellis", "lattice", "diagonal grid", "crosshatch", "trellis lines"),
    "heart": ("hearts", "heart", "love hearts"),
    "star": ("stars", "star", "five pointed stars"),
    "moon": ("moons", "moon", "crescents", "crescent moons", "crescent"),
    "leaf": ("leaves", "leaf", "botanical leaves", "foliage", "leafy"),
    "daisy": ("daisies", "daisy", "flowers", "floral", "flower", "blossoms"),
    "terrazzo": ("terrazzo", "stone chips", "chips", "terrazzo chips", "confetti"),
}
SIZES: dict[str, tuple[str, ...]] = {
    "tiny": ("tiny", "ditsy", "micro", "very small", "minute"),
    "small": ("small", "little", "small scale"),
    "medium": ("medium", "mid size", "medium scale", "medium sized"),
    "large": ("large", "big", "oversized", "huge", "large scale", "giant"),
}
LATTICES: dict[Lattice, tuple[str, ...]] = {
    Lattice.STRAIGHT: ("straight repeat", "straight", "grid repeat", "block repeat"),
    Lattice.HALF_DROP: ("half drop", "half-drop", "half drop repeat", "half-drop repeat"),
    Lattice.BRICK: ("brick", "brick repeat", "brick layout", "half brick"),
}
DIRECTIONS: dict[str, tuple[str, ...]] = {
    "vertical": ("vertical", "upright"),
    "horizontal": ("horizontal", "sideways"),
    "diagonal": ("diagonal", "slanted"),
    "": (),
}
OPENINGS = (
    "a pattern of", "pattern of", "seamless pattern of", "a repeat pattern with", "textile with",
    "fabric with", "wallpaper with", "a print of", "seamless tile with", "design with", "a tile of",
    "something like",
)  # fmt: skip
MOODS = (
    "modern", "vintage", "retro", "bold", "playful", "elegant", "classic", "simple", "pretty",
    "bright", "fresh", "soft", "graphic", "cute", "scandinavian", "summer", "nursery", "kitchen",
    "cotton", "geometric", "flat", "clean", "art deco", "folk", "tossed", "calm", "warm", "cool",
)  # fmt: skip
GROUNDS = ("ground", "background", "base", "backdrop", "cloth")
ENDINGS = ("wallpaper", "fabric", "textile", "print", "pattern", "repeat", "seamless", "tile")
LINKS = (
    "on", "a", "an", "with", "in", "and", "over", "of", "upon", "against", "colours", "colors",
    "the", "for", "by", "to", "is", "are", "but", "no", "not", "all", "some", "two", "three",
    "colour", "color", "from", "at", "my", "i", "want", "would", "like", "please", "make", "me",
    "very", "more", "calmer", "style", "motif", "motifs", "design", "designs", "tone", "toned",
    "accents", "accent", "details", "centres", "centers",
)  # fmt: skip

# The whole range from here on. A synonym above may be a family or a colour of its own here.
WHOLE_NOUNS: dict[str, tuple[str, ...]] = {
    "dot": ("polka dots", "dots", "spots", "polka dot", "dotted", "polka"),
    "ring": ("rings", "hoops", "circles", "ring", "open circles"),
    "stripe": ("stripes", "stripe", "striped", "broad stripes"),
    "gingham": ("gingham", "gingham check", "vichy", "vichy check"),
    "check": ("checks", "checkerboard", "chequerboard", "check", "checkered squares", "squares"),
    "chevron": ("chevrons", "chevron", "zigzag", "zigzags", "zig zag"),
    "wave": ("waves", "wave", "wavy lines", "ripples", "wavy"),
    "scallop": ("scallops", "scallop", "fish scales", "mermaid scales", "scales"),
    "diamond": ("diamonds", "diamond", "harlequin diamonds", "lozenges"),
    "trellis": ("trellis", "lattice", "diagonal grid", "trellis lines"),
    "heart": ("hearts", "heart", "love hearts"),
    "star": ("stars", "star", "five pointed stars"),
    "moon": ("moons", "moon", "crescents", "crescent moons", "crescent"),
    "leaf": ("leaves", "leaf", "foliage", "leafy"),
    "daisy": ("daisies", "daisy", "marguerites", "daisy flowers"),
    "terrazzo": ("terrazzo", "stone chips", "chips", "terrazzo chips"),
    "pinstripe": ("pinstripes", "pinstripe", "pin stripes", "hairline stripes"),
    "ticking": ("ticking", "ticking stripe", "mattress ticking", "ticking stripes"),
    "plaid": ("plaid", "tartan", "tartan plaid", "flannel plaid", "highland tartan"),
    "houndstooth": ("houndstooth", "hound's tooth", "dogtooth", "dogtooth check"),
    "herringbone": ("herringbone", "herringbone twill", "herringbone tweed", "broken twill"),
    "basketweave": ("basketweave", "basket weave", "woven basket", "rattan weave"),
    "argyle": ("argyle", "argyle diamonds", "argyll", "argyle knit"),
    "hex": ("hexagons", "honeycomb", "hexagon", "hex tiles"),
    "truchet": ("truchet", "truchet tiles", "maze of arcs", "truchet arcs"),
    "crosshatch": ("crosshatch", "cross hatching", "hatching", "pen hatching"),
    "ogee": ("ogee", "ogees", "ogival frames", "onion shapes"),
    "damask": ("damask", "damask palmettes", "brocade", "damask scrolls"),
    "paisley": ("paisley", "paisleys", "boteh", "paisley drops"),
    "quatrefoil": ("quatrefoil", "quatrefoils", "four leaf tracery", "gothic foils"),
    "moroccan": ("moroccan tiles", "moroccan", "moroccan lanterns", "arabesque tiles"),
    "greek-key": ("greek key", "meander", "greek fret", "key fret"),
    "deco-fan": ("art deco fans", "art deco fan", "deco fans", "fans"),
    "seigaiha": ("seigaiha", "wave crests", "japanese waves", "seigaiha waves"),
    "ikat": ("ikat", "ikat diamonds", "ikat medallions", "warp ikat"),
    "fern": ("ferns", "fern", "fern fronds", "bracken"),
    "rose": ("roses", "rose", "cabbage roses", "rose blooms"),
    "berry": ("berries", "berry", "cherries", "berry clusters"),
    "ditsy-floral": ("ditsy floral", "ditsy flowers", "calico flowers", "sprinkled flowers"),
    "tossed-botanical": (
        "tossed botanicals", "tossed botanical", "botanical sprigs", "scattered sprigs", "sprigs",
    ),
    "bird": ("birds", "bird", "songbirds", "little birds"),
    "confetti": ("confetti", "paper confetti", "party confetti", "sprinkles"),
    "memphis": ("memphis", "memphis shapes", "eighties squiggles", "memphis design"),
    "animal-spot": ("leopard spots", "leopard", "animal spots", "leopard print", "animal print"),
    "brushstroke": ("brushstrokes", "brush strokes", "paint strokes", "painterly strokes"),
}  # fmt: skip
WHOLE_COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "black": ("black", "jet black", "ebony"),
    "white": ("white", "pure white", "snow white", "bright white"),
    "grey": ("grey", "gray", "mid grey"),
    "cream": ("cream", "off-white", "ecru"),
    "brown": ("brown", "walnut", "coffee"),
    "red": ("red", "scarlet", "bright red"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "sunny yellow", "sunflower"),
    "green": ("green", "grass green", "leaf green"),
    "sage": ("sage", "sage green", "grey green"),
    "teal": ("teal", "dark cyan"),
    "sky": ("sky blue", "light blue"),
    "blue": ("blue", "royal blue", "bright blue"),
    "navy": ("navy", "navy blue", "midnight blue", "dark blue"),
    "purple": ("purple", "royal purple"),
    "pink": ("pink", "candy pink", "mid pink"),
    "charcoal": ("charcoal", "charcoal grey", "anthracite"),
    "slate": ("slate", "slate grey", "blue grey"),
    "silver": ("silver", "silver grey", "pale grey"),
    "ivory": ("ivory", "eggshell"),
    "beige": ("beige", "oatmeal", "natural"),
    "sand": ("sand", "sandy", "desert sand"),
    "taupe": ("taupe", "mushroom", "greige"),
    "camel": ("camel", "caramel", "tan"),
    "chocolate": ("chocolate", "chocolate brown", "espresso"),
    "rust": ("rust", "rust red", "burnt orange"),
    "terracotta": ("terracotta", "clay", "baked clay"),
    "burgundy": ("burgundy", "wine", "maroon", "oxblood"),
    "crimson": ("crimson", "ruby", "cherry red"),
    "coral": ("coral", "living coral"),
    "salmon": ("salmon", "salmon pink"),
    "peach": ("peach", "pale peach", "apricot"),
    "amber": ("amber", "marigold"),
    "mustard": ("mustard", "mustard yellow"),
    "gold": ("gold", "golden", "old gold"),
    "ochre": ("ochre", "yellow ochre"),
    "lemon": ("lemon", "lemon yellow"),
    "butter": ("butter", "butter yellow", "pale yellow"),
    "lime": ("lime", "lime green"),
    "chartreuse": ("chartreuse", "acid green"),
    "olive": ("olive", "olive green", "khaki"),
    "moss": ("moss", "moss green"),
    "forest": ("forest green", "bottle green", "forest", "dark green"),
    "emerald": ("emerald", "emerald green"),
    "jade": ("jade", "jade green"),
    "mint": ("mint", "mint green", "pale green"),
    "turquoise": ("turquoise", "bright turquoise"),
    "aqua": ("aqua", "pale aqua", "seafoam"),
    "petrol": ("petrol", "petrol blue", "dark teal"),
    "powder": ("powder blue", "pale blue", "baby blue"),
    "denim": ("denim", "denim blue", "steel blue"),
    "cobalt": ("cobalt", "cobalt blue", "ultramarine"),
    "indigo": ("indigo", "indigo blue"),
    "violet": ("violet", "bright violet"),
    "plum": ("plum", "aubergine", "damson"),
    "lavender": ("lavender", "lilac", "pale lilac"),
    "mauve": ("mauve", "dusty mauve"),
    "magenta": ("magenta", "deep magenta"),
    "fuchsia": ("fuchsia", "hot pink", "shocking pink"),
    "blush": ("blush", "blush pink", "pale pink", "baby pink"),
}
# Moods that say nothing about the picture, so that none of them can lie.
WHOLE_MOODS = (
    "modern", "vintage", "retro", "playful", "elegant", "classic", "pretty", "fresh", "cute",
    "scandinavian", "summer", "nursery", "kitchen", "cotton", "folk", "country", "heritage",
)  # fmt: skip
DENSITY_WORDS: dict[str, tuple[str, ...]] = {
    "even": (),
    "sparse": ("sparse", "airy", "spaced out", "widely spaced"),
    "dense": ("dense", "packed", "crowded", "closely packed"),
}
LAYOUT_WORDS: dict[str, tuple[str, ...]] = {
    "set": (),
    "tossed": ("tossed", "scattered", "randomly turned", "tumbling"),
}
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "fill": (),
    "line": ("outlined", "line drawn", "outline", "line art"),
}
TEXTURE_WORDS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "linen": ("linen texture", "woven linen", "slubby linen"),
    "watercolour": ("watercolour", "watercolor", "watercolour wash", "hand painted"),
    "grain": ("grainy", "grain texture", "risograph grain", "speckled grain"),
}
