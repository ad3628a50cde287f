"""What the page's server answers: the page, its files, and the messages of its widgets; nothing else.

Every answer needs the token, or the cookie that the token was exchanged for, and a Host that is this machine. Otherwise
a web page that the user visits elsewhere could reach the server through the user's browser, by a name of its own that
leads to 127.0.0.1, and act as the user.
"""

from __future__ import annotations

import html
from typing import Any

from jupyter_server.base.handlers import FileFindHandler, JupyterHandler
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.utils import ensure_async
from tornado import web
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from commentator_lib.hosts import is_accepted_host

# Scripts, styles and connections of this server only. The widget manager compiles schemas with `new Function`, and a
# widget's own code is loaded from a blob.
_CONTENT_SECURITY = (
    "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; "
    "font-src 'self' data:; "
    "worker-src 'self' blob:; "
    "connect-src 'self' ws://{host} wss://{host} blob: data:; "
    "object-src 'none'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'; "
)
_REFUSED = {
    403: "Open the link that was printed where the page was started: it ends with <code>?token=…</code>",
    404: "There is nothing here.",
}


class Guarded(JupyterHandler):
    """A handler that answers only with the token, or its cookie, and only under this machine's own names."""

    def check_host(self) -> bool:
        return is_accepted_host(self.request.host, self.settings["accepted_hosts"])

    def get_login_url(self) -> str:
        raise web.HTTPError(403)  # there is no form to log in: the link has the token

    @property
    def content_security_policy(self) -> str:
        return _CONTENT_SECURITY.format(host=self.request.host)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Frame-Options", "DENY")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with one line of plain HTML, which tells nothing about the server."""
        reason = _REFUSED.get(status_code, html.escape(self._reason))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(f"<!doctype html><html lang=en><title>Live commentary</title><p>{reason}</html>")


class PageHandler(Guarded):
    """The page. A token in the address is exchanged for a cookie, and leaves the address."""

    def initialize(self, page: str) -> None:
        self.page = page

    def get(self) -> None:
        if self.get_argument("token", None) is not None:
            self.redirect("/", status=303)
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(self.page)


class ModelHandler(Guarded, KernelHandler):
    """Says that the kernel is there, which the widget manager asks before it connects. No page can end it."""

    SUPPORTED_METHODS = ("GET",)

    async def get(self, kernel_id: str) -> None:
        if kernel_id not in self.kernel_manager:
            raise web.HTTPError(404)
        await ensure_async(super().get(kernel_id))


class MessagesHandler(Guarded, VoilaKernelWebsocketHandler):
    """The widgets' messages. jupyter_server checks the Origin, and PanelKernel which messages a page may send."""

    async def get(self, kernel_id: str) -> None:
        if kernel_id not in self.kernel_manager:
            raise web.HTTPError(404)
        await ensure_async(super().get(kernel_id))


class FileHandler(Guarded, FileFindHandler):
    """Files of Voila's widget manager and of the widgets' packages."""

    async def get(self, path: str, include_body: bool = True) -> None:
        await web.StaticFileHandler.get(self, path, include_body)

    async def head(self, path: str) -> None:
        await self.get(path, include_body=False)


class NoFormulasHandler(Guarded):
    """A MathJax that does nothing: the widget manager loads one at once, though no text here has formulas."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript")
        self.finish(
            "const nothing = () => {}; window.MathJax = { Ajax: {}, InputJax: {}, Hub: {"
            " Config: nothing, Configured: nothing, Queue: nothing, Register: { StartupHook: nothing } } };"
        )


class NothingHandler(Guarded):
    """All other addresses."""

    def get(self) -> None:
        raise web.HTTPError(404)

    head = post = put = delete = patch = get
