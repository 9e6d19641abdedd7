"""Sixty prompts as people write them, each with what a person would expect to see.

Written while the first model was in training and before any saw the whole range, without a look at
what it draws; never used for training. They measure how far the grammar's words carry. Refuses to
be imported by anything that makes training data.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.lattice import Lattice


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPrompt:
    """A prompt and its expected attributes.

    `range` names the range of motifs and colours that it can be asked of ("first" or "whole"), and
    `motif`, `inks`, `ground` are names of that range. Where `ground` is None the prompt does not
    say which of its colours lies underneath, so `inks` may be found in any role. `scale` None was
    not said; an unsaid lattice is the straight one.
    """

    prompt: str
    motif: str
    inks: tuple[str, ...]
    ground: str | None
    scale: str | None
    lattice: Lattice
    range: str


_FIRST: tuple[tuple[str, str], ...] = (
    # The prompt, then its motif; inks, "/" and ground; scale; lattice.
    ("Navy dots on a cream cotton, quite small please", "dot; navy/cream; small"),
    ("I'd love white polka dots, big ones, on red", "dot; white/red; large"),
    ("tiny pin dots in black, white cloth, half drop", "dot; black/white; tiny; half-drop"),
    ("circles drawn as outlines, teal on white", "ring; teal/white"),
    ("hula hoop rings in purple over yellow, bricked", "ring; purple/yellow; ; brick"),
    ("Breton stripes! navy and white, running sideways", "stripe; navy,white/"),
    ("deck chair stripe, wide, orange and cream", "stripe; orange,cream/; large"),
    ("blue gingham like a picnic blanket, on white", "gingham; blue/white"),
    ("A kitchen gingham in sage & cream", "gingham; sage,cream/"),
    ("black and white chessboard", "check; black,white/"),
    ("checkerboard, 70s, brown with orange", "check; brown,orange/"),
    ("zig-zags in grey and yellow for a nursery", "chevron; grey,yellow/"),
    ("bold chevrons, large, green against a black background", "chevron; green/black; large"),
    ("gentle waves, sky blue lines on navy, calm sea feeling", "wave; sky/navy"),
    ("wavy 60s ripple pattern pink + red", "wave; pink,red/"),
    ("mermaid tail scales in teal and white", "scallop; teal,white/"),
    ("Scalloped fish scale print, gold on midnight blue, small", "scallop; yellow/navy; small"),
    ("harlequin diamonds black on cream", "diamond; black/cream"),
    (
        "a jester's diamond pattern, purple with green, offset like bricks",
        "diamond; purple,green/; ; brick",
    ),
    ("garden trellis, white bars over grass green", "trellis; white/green"),
    ("diagonal lattice wallpaper in grey on white, fine", "trellis; grey/white; small"),
    ("valentine's hearts, red on pink, half-drop", "heart; red/pink; ; half-drop"),
    ("one huge white heart on sky blue", "heart; white/sky; large"),
    ("kids pyjama stars: yellow, on a navy night", "star; yellow/navy"),
    (
        "little scattered stars, white, black ground, half drop",
        "star; white/black; small; half-drop",
    ),
    ("crescent moons in cream on purple for a bedroom", "moon; cream/purple"),
    ("leafy green print on off-white linen, medium size leaves", "leaf; green/cream; medium"),
    ("autumn leaves, rust coloured, brown base", "leaf; orange/brown"),
    ("white daisies with sunny yellow middles on blue", "daisy; white,yellow/blue"),
    ("something like terrazzo but calmer", "terrazzo; /"),
)

_WHOLE: tuple[tuple[str, str], ...] = (
    ("navy ditsy floral on cream, tiny, half drop", "ditsy-floral; navy/cream; tiny; half-drop"),
    ("Art Deco fans in emerald and gold", "deco-fan; emerald,gold/"),
    ("banker's pinstripe, silver on charcoal", "pinstripe; silver/charcoal"),
    ("french mattress ticking, indigo on ivory", "ticking; indigo/ivory"),
    (
        "a tartan my grandfather would wear: forest, navy and a thin red line",
        "plaid; navy,red/forest",
    ),
    ("autumn plaid flannel, rust and mustard", "plaid; rust,mustard/"),
    ("classic houndstooth, black on ivory, large", "houndstooth; black/ivory; large"),
    ("tweedy herringbone in slate and silver", "herringbone; slate,silver/"),
    (
        "golf sweater argyle, burgundy diamonds on beige with thin navy lines",
        "argyle; burgundy,navy/beige",
    ),
    ("woven rattan basket look, camel and chocolate", "basketweave; camel,chocolate/"),
    ("ogee curves, petrol on sand, elegant, big", "ogee; petrol/sand; large"),
    ("faded ballroom damask, taupe on ivory", "damask; taupe/ivory"),
    (
        "burgundy damask wallpaper with gold, half drop, large",
        "damask; gold/burgundy; large; half-drop",
    ),
    ("silk tie paisley: turquoise on plum", "paisley; turquoise/plum"),
    ("bandana paisley, small, white on red", "paisley; white/red; small"),
    ("quatrefoils like in a gothic window, cobalt and white", "quatrefoil; cobalt,white/"),
    ("Moroccan tile lanterns in jade on cream", "moroccan; jade/cream"),
    ("Greek key in black on gold please", "greek-key; black/gold"),
    (
        "80s Memphis squiggles and triangles, magenta, turquoise and lemon on white",
        "memphis; magenta,turquoise,lemon/white",
    ),
    ("birthday confetti, coral mint and lemon on white", "confetti; coral,mint,lemon/white"),
    ("scattered botanical sprigs, olive and moss on ivory", "tossed-botanical; olive,moss/ivory"),
    ("fern fronds in forest green over blush", "fern; forest/blush"),
    (
        "cabbage roses, crimson with olive leaves on cream, half drop",
        "rose; crimson,olive/cream; ; half-drop",
    ),
    (
        "cranberries on twigs: burgundy and moss on beige, small scale",
        "berry; burgundy,moss/beige; small",
    ),
    ("little birds flying, denim on powder blue", "bird; denim/powder; small"),
    ("japanese seigaiha waves, indigo and white", "seigaiha; indigo,white/"),
    ("blurry ikat diamonds, terracotta and indigo on ecru", "ikat; terracotta,indigo/cream"),
    ("leopard spots, caramel and black on sand", "animal-spot; camel,black/sand"),
    ("loose painterly brush strokes, peach and coral on ivory", "brushstroke; peach,coral/ivory"),
    ("honeycomb hexagons, amber on chocolate, brick layout", "hex; amber/chocolate; ; brick"),
)


def _prompts(rows: tuple[tuple[str, str], ...], range_: str) -> list[PersonPrompt]:
    made = []
    for prompt, expected in rows:
        motif, colours, scale, lattice = (expected.split("; ") + [""] * 3)[:4]
        inks, _, ground = colours.partition("/")
        made.append(
            PersonPrompt(
                prompt=prompt,
                motif=motif,
                inks=tuple(name for name in inks.split(",") if name),
                ground=ground or None,
                scale=scale or None,
                lattice=Lattice(lattice or "straight"),
                range=range_,
            )
        )
    return made


PROMPTS: tuple[PersonPrompt, ...] = (*_prompts(_FIRST, "first"), *_prompts(_WHOLE, "whole"))
