"""The text that the miniature's tokenizers learn from: a caption grammar and a list of words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from string import Formatter

from ..compiler.scenes.rows import TEXTS, SceneRow
from ..compiler.sources.photographs import PHOTOGRAPHS

#: scenes whose captions and instructions belong to the corpus
SCENES = 1000

#: what can stand in each slot of a template
SLOTS = {
    "colour": "red orange yellow green blue purple pink brown black white grey gold turquoise",
    "shape": "ball cube square circle triangle star ring cross cone cylinder box disc",
    "material": "wooden metal glass stone leather cotton woollen silk plastic paper marble knitted",
    "garment": "shirt dress coat jacket hat skirt scarf sweater shoe trousers",
    "person": "man woman girl boy child",
    "animal": "cat dog horse bird fish rabbit elephant lion cow sheep bear fox",
    "place": "garden kitchen street forest beach field city mountain river room desert park",
    "season": "spring summer autumn winter",
    "size": "small large tiny big",
    "side": "left right",
    "picture": "photograph painting drawing sketch picture",
    "repair": "colorize sharpen denoise deblur restore upscale enhance",
    "reading": "depth edges normals segmentation pose outline",
}

#: captions and instructions; {photograph} is a caption of a bundled photograph
TEMPLATES = (
    "{photograph}",
    "{repair} the {picture}: {photograph}",
    "the {reading} of the {picture}: {photograph}",
    "turn the {reading} into a {picture} of {photograph}",
    "a {size} {colour} {shape} on a {colour} background",
    "a {shape} to the {side} of a {shape}",
    "a {material} {shape} in front of a {material} wall",
    "a {person} with a {colour} {garment}, {picture}",
    "a {person} wearing a {material} {garment}",
    "the {garment} of the {person} isn't {colour}",
    "two {colour} {animal}s in the {place}",
    "a {picture} of the {place} in {season}",
    "make the {shape} {colour}",
    "make the {garment} {material} and {size}",
    "change the {colour} {shape} to {colour}",
    "replace the {animal} by a {animal}",
    "remove the {shape} on the {side}",
    "add a {colour} {garment} to the {animal}",
    "fill the hole in the {picture} of a {place}",
    "let it be {season} in the {place}",
)


#: how the captions of line drawings, maps and sheets of several pictures begin
SHEETS = (
    "two views of three views of four views of",
    "two prints of three prints of four prints of",
    "before and after: two pictures: three pictures: four pictures:",
    "a line drawing of the depth of the segments of a black and white photograph of",
)

#: texts of scenes that are part of others: the tokenizer is what it is without them
REPEATED = ("garment_name",)


def fill_in(template: str) -> Iterator[str]:
    """Each text that the template stands for."""
    choices = {slot: words.split() for slot, words in SLOTS.items()}
    choices["photograph"] = [photograph.caption for photograph in PHOTOGRAPHS]
    pieces = [(text, slot) for text, slot, _, _ in Formatter().parse(template)]
    for words in product(*(choices[slot] if slot else [""] for _, slot in pieces)):
        yield "".join(text + word for (text, _), word in zip(pieces, words, strict=True))


def corpus() -> Iterator[str]:
    """All captions of the grammar, the texts of some scenes, then the words of words.txt."""
    for template in TEMPLATES:
        yield from fill_in(template)
    for number in range(SCENES):
        row = SceneRow(seed=0, number=number, size=(8, 8))
        yield from (text(row) for name, text in TEXTS.items() if name not in REPEATED)
    yield from SHEETS
    yield Path(__file__).with_name("words.txt").read_text(encoding="utf-8")
