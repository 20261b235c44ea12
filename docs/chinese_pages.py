"""A hook of the site's build: pages below zh/ say that they are in Chinese.

The theme takes one language for all pages. Browsers choose fonts by it, and screen readers the
voice: marked as English, 。 and ： are drawn in the Japanese or Traditional form on some systems.
"""

from __future__ import annotations

from typing import Any


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    if page.url.startswith("zh/"):
        return output.replace('<html lang="en"', '<html lang="zh-CN"', 1)
    return output
