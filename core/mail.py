"""Mail to people, through aiosmtplib; without MARQUEE_SMTP_URL nothing is sent."""

from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from core.metrics import Metrics

log = structlog.get_logger("marquee.mail")
SECONDS = 10


class SmtpMailer:
    """Sends each mail over a connection of its own: there are few, and none is urgent to the millisecond."""

    def __init__(self, url: str | None, sender: str, metrics: Metrics) -> None:
        self._url = urlsplit(url) if url else None
        self._sender = sender
        self._metrics = metrics

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send one plain-text mail. Never raises: a failure is logged and counted."""
        if self._url is None:
            log.info("mail.off", reason="MARQUEE_SMTP_URL is not set")
            return
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message.set_content(text)
        try:
            await aiosmtplib.send(
                message,
                hostname=self._url.hostname,
                port=self._url.port,
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                use_tls=self._url.scheme == "smtps",
                start_tls=self._url.scheme == "smtp+starttls",
                timeout=SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as e:
            self._metrics.mails.labels("failed").inc()
            log.warning("mail.failed", error=type(e).__name__)
        else:
            self._metrics.mails.labels("sent").inc()
