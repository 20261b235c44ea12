"""A page of Gradio over an indexed folder, in thirty lines; `samebut serve` is the full one.

pip install gradio
samebut index PHOTOS
python examples/gradio_app.py PHOTOS
"""

from __future__ import annotations

import sys

import gradio as gr

from samebut import Gallery, Turn
from samebut.errors import SamebutError


def app(gallery: Gallery) -> gr.Blocks:
    """A picture, words and a search button over ``gallery``."""

    def search(picture: str | None, text: str) -> list[tuple[str, str]]:
        try:
            found = gallery.search(Turn(picture, text or ""), 12)
        except SamebutError as error:
            raise gr.Error(f"{error} {error.hint}".strip()) from error
        return [(str(gallery.file_of(hit.path)), f"{hit.score:.2f}") for hit in found.hits]

    with gr.Blocks(title="samebut") as page:
        picture = gr.Image(type="filepath", label="Like this picture / 像这张图")
        text = gr.Textbox(label="but… / 但是……", placeholder="in blue / 换成蓝色")
        button = gr.Button("Search / 搜索")
        answers = gr.Gallery(label="Answers / 结果", columns=4)
        button.click(search, [picture, text], answers, api_name="search")
        text.submit(search, [picture, text], answers, api_name=False)
    return page


def main() -> None:
    with Gallery.open(sys.argv[1]) as gallery:
        app(gallery).launch(allowed_paths=[str(gallery.folder)])


if __name__ == "__main__":
    main()
