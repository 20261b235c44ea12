"""The problems that a request can have, in words for its sender.

Every refusal is a problem document (RFC 9457): ``type``, ``title``, ``status`` and ``detail``, with
``code`` for programs and ``hint``, what to do; ``detail`` and ``hint`` in English or Chinese as
``Accept-Language`` prefers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from fastapi.responses import JSONResponse

from samebut.errors import (
    DiskFull,
    FilterError,
    ModelError,
    PictureError,
    QueryError,
    SamebutError,
    StoreError,
    UnknownPicture,
)
from samebut.serve import chinese

Language = Literal["en", "zh"]
MEDIA_TYPE = "application/problem+json"
LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Kind:
    """A status, and a sentence and a hint in both languages. ``{...}`` is filled in."""

    status: int
    en: str
    zh: str
    hint_en: str = ""
    hint_zh: str = ""


KINDS: Mapping[str, Kind] = {
    "query_malformed": Kind(
        422,
        "The query can't be read: {why}.",
        "无法读取查询：{why}。",
        "See /openapi.json for what a query may hold.",
        "查询的格式见 /openapi.json。",
    ),
    "query_unclear": Kind(400, "{why}.", "{why}。"),
    "filter_unclear": Kind(400, "The filter is not understood: {why}.", "看不懂筛选条件：{why}。"),
    "picture_unusable": Kind(422, "The picture {why}.", "这张图片{why}。"),
    "picture_unknown": Kind(
        404,
        "There is no picture {number} in this gallery.",
        "图库里没有编号为 {number} 的图片。",
        "Search again: the gallery may have changed.",
        "请重新搜索：图库可能已更新。",
    ),
    "picture_gone": Kind(
        404,
        "The file of picture {number} can't be shown.",
        "无法显示图片 {number} 的文件。",
        "The server's log says why.",
        "原因见服务器日志。",
    ),
    "upload_forgotten": Kind(
        410,
        "The server has forgotten an uploaded picture.",
        "服务器已不再保留上传的图片。",
        "Send the picture again.",
        "请重新发送图片。",
    ),
    "upload_missing": Kind(
        400,
        "The query names the upload {name}, but no file of that name was sent.",
        "查询提到了上传文件 {name}，但没有收到它。",
        "Send the file as a part of that name.",
        "请以该名称发送文件。",
    ),
    "upload_unused": Kind(
        400,
        "The file {name} was sent, but no turn of the query names it.",
        "收到了文件 {name}，但查询里没有用到它。",
        "Name the file in a turn, or don't send it.",
        "请在查询中引用该文件，或不要发送它。",
    ),
    "upload_twice": Kind(
        400,
        "More than one file was sent as {name}.",
        "收到了不止一个名为 {name} 的文件。",
        "Give each file a name of its own.",
        "请为每个文件使用不同的名称。",
    ),
    "body_too_large": Kind(
        413,
        "The request is larger than the {megabytes} MB allowed.",
        "请求超过了允许的 {megabytes} MB。",
        "Send a smaller picture.",
        "请上传小一些的图片。",
    ),
    "body_malformed": Kind(
        400,
        "The body of the request is damaged.",
        "请求内容已损坏。",
        "Send it again, as /openapi.json describes it.",
        "请按 /openapi.json 的说明重新发送。",
    ),
    "content_type": Kind(
        415,
        "A query comes as application/json or multipart/form-data.",
        "查询须以 application/json 或 multipart/form-data 发送。",
        "Set the header Content-Type to one of the two.",
        "请将 Content-Type 设为二者之一。",
    ),
    "token_needed": Kind(
        401,
        "This server needs a token.",
        "访问此服务器需要令牌。",
        "Open the address that was printed when it was started, or send Authorization: Bearer.",
        "请打开启动时显示的地址，或发送 Authorization: Bearer。",
    ),
    "host_unknown": Kind(
        403,
        "This server does not accept requests under that name.",
        "此服务器不使用该名称。",
        "Use the address that was printed when it was started; --allow-host adds a name.",
        "请使用启动时显示的地址；用 --allow-host 可添加名称。",
    ),
    "other_site": Kind(
        403,
        "Pages of other websites may not use this server.",
        "其他网站的页面不能访问此服务器。",
        "Whoever runs the server can allow a website with --allow-origin.",
        "服务器的管理员可以用 --allow-origin 允许某个网站。",
    ),
    "too_many_requests": Kind(
        429, "That is too many searches a minute.", "搜索过于频繁。", "Wait a little.", "请稍候。"
    ),
    "upload_slow": Kind(
        408,
        "The upload took too long.",
        "上传用时过长。",
        "Send a smaller picture, or use a faster connection.",
        "请上传小一些的图片，或换用更快的网络。",
    ),
    "busy": Kind(
        503, "The server is busy.", "服务器繁忙。", "Try again in a moment.", "请稍后再试。"
    ),
    "too_slow": Kind(
        503, "The search took too long.", "搜索用时过长。", "Try again.", "请再试一次。"
    ),
    "store_unavailable": Kind(
        503,
        "The gallery can't be read at the moment.",
        "暂时无法读取图库。",
        "The server's log says why.",
        "原因见服务器日志。",
    ),
    "gallery_unavailable": Kind(
        503,
        "The gallery {name} can't be opened.",
        "无法打开图库 {name}。",
        "The server's log says why.",
        "原因见服务器日志。",
    ),
    "model_unusable": Kind(
        503,
        "The model can't do this.",
        "模型无法完成此操作。",
        "The server's log says why.",
        "原因见服务器日志。",
    ),
    "not_ready": Kind(
        503,
        "The server is starting.",
        "服务器正在启动。",
        "Try again in a moment.",
        "请稍后再试。",
    ),
    "not_found": Kind(
        404,
        "There is nothing at this address.",
        "此地址没有内容。",
        "See /openapi.json for the addresses.",
        "可用的地址见 /openapi.json。",
    ),
    "method_not_allowed": Kind(
        405,
        "This address does not take that method.",
        "此地址不支持该请求方法。",
        "See /openapi.json for the methods.",
        "可用的方法见 /openapi.json。",
    ),
    "disk_full": Kind(
        507,
        "The server's disk is full.",
        "服务器磁盘已满。",
        "Free some space on it: the search works again then. Nothing that was stored is lost.",
        "请清理磁盘空间，之后即可恢复搜索。已保存的内容没有丢失。",
    ),
    "watch_behind": Kind(
        503,
        "Searches work, but changes in the folder are not indexed.",
        "搜索可用，但文件夹的改动未能更新。",
        "The server's log says why.",
        "原因见服务器日志。",
    ),
    "headers_slow": Kind(
        408,
        "The request's headers took too long.",
        "请求头用时过长。",
        "Send the request again.",
        "请重新发送请求。",
    ),
    "request_malformed": Kind(
        400,
        "This is not an HTTP request.",
        "这不是有效的 HTTP 请求。",
        "Use http:// in the address; https:// needs a proxy in front of the server.",
        "请使用 http:// 开头的地址；https:// 需要在服务器前面配置代理。",
    ),
    "internal": Kind(
        500,
        "Something went wrong in the server.",
        "服务器内部出错。",
        "The server's log says what.",
        "详情见服务器日志。",
    ),
}


class Problem(Exception):
    """A request that is refused. ``values`` fill the sentence of its kind.

    Where a value or the hint differs by language, ``zh`` holds the Chinese one, by name.
    """

    def __init__(
        self,
        code: str,
        *,
        hint: str | None = None,
        zh: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> None:
        super().__init__(code)
        self.code, self.kind = code, KINDS[code]
        self.hint, self.zh, self.values = hint, dict(zh or {}), values
        self.headers = dict(headers or {})

    def said(self, language: Language) -> dict[str, str]:
        """``code``, ``detail`` and ``hint`` in ``language``."""
        kind = self.kind
        if language == "en":
            message, hint = kind.en.format(**self.values), self.hint
            return {
                "code": self.code,
                "detail": message,
                "hint": _sentence(kind.hint_en if hint is None else hint),
            }
        message = kind.zh.format(**{**self.values, **self.zh})
        return {"code": self.code, "detail": message, "hint": self.zh.get("hint", kind.hint_zh)}

    def response(self, language: Language) -> JSONResponse:
        headers = {"Content-Language": language, **self.headers}
        # Lone surrogates in what a client wrote can't be sent back as UTF-8.
        said = {
            name: text.encode(errors="replace").decode()
            for name, text in self.said(language).items()
        }
        body = {
            "type": f"urn:samebut:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.kind.status,
            **said,
        }
        return JSONResponse(body, self.kind.status, headers, media_type=MEDIA_TYPE)


def _sentence(hint: str) -> str:
    """A hint of the library is a phrase, with or without capital and full stop."""
    return hint[:1].upper() + hint[1:].rstrip(".") + "." if hint else ""


_INSTALLING = re.compile(", or: pip install .*")  # clients can't install anything on the server

_CODES: Mapping[type[SamebutError], str] = {
    PictureError: "picture_unusable",
    FilterError: "filter_unclear",
    QueryError: "query_unclear",
    DiskFull: "disk_full",
    StoreError: "store_unavailable",
    ModelError: "model_unusable",
}


def problem_of(error: SamebutError) -> Problem:
    """An error of the library as a Problem for the client.

    Messages of `StoreError` and `ModelError` name files of the server, which clients must not see:
    they go to the log only.
    """
    if isinstance(error, UnknownPicture):
        return Problem("picture_unknown", number=error.number)
    code = next((c for kind, c in _CODES.items() if isinstance(error, kind)), "internal")
    if KINDS[code].status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(code, headers={"Retry-After": "5"} if KINDS[code].status == 503 else None)
    why = error.reason if isinstance(error, PictureError) else str(error)
    if code == "query_unclear":
        why = why[:1].upper() + why[1:]
    hint = _INSTALLING.sub(", or take a screenshot of it", error.hint)
    zh = {"why": chinese.reason(why), "hint": chinese.hint(hint)}
    return Problem(code, hint=hint, zh=zh, why=why)


def preferred_language(accept: str) -> Language:
    """The preferred of the available languages, by a header ``Accept-Language``."""
    liked: dict[Language, float] = {}
    for part in accept.split(","):
        tag, _, quality = part.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language:
                liked.setdefault(language, _number(quality, 1.0))
    return max(liked, key=lambda language: liked[language], default="en")


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
