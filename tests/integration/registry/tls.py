# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, and a proxy that speaks TLS for a server that cannot.

The PostgreSQL and the Valkey of the Python wheels are built without TLS.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.lab.process import LOOPBACK

Protocol = Literal["postgres", "direct"]

# A connection that is silent for so long is given up, so that nothing waits for ever.
_SECONDS = 10.0
_CHUNK = 65536
# What libpq may send instead of a start: the length 8, and one of these.
_REQUEST_LENGTH = 8
_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        usage = {"digital_signature": True, "key_cert_sign": True, "crl_sign": True}
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        restrictions = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(x509.KeyUsage(**usage, **restrictions), critical=True)
        self.certificate = folder / f"{name}.crt"
        self.certificate.write_bytes(self._signed(builder))

    def issue(self, name: str, *hosts: str) -> Pair:
        """A certificate for these host names, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        pair.certificate.write_bytes(self._signed(builder))
        # libpq refuses a key that others may read.
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        # Python from 3.13 on accepts none without these two.
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return builder.add_extension(issuer, critical=False)

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def server_context(pair: Pair, *, clients: Authority | None = None) -> ssl.SSLContext:
    """What a server with this certificate offers. With `clients` it demands a certificate which that one signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class TlsProxy(socketserver.ThreadingTCPServer):
    """Ends TLS in front of a plain server, and counts its connections.

    Args:
        backend: the port of the plain server.
        protocol: `postgres` waits for libpq to ask for TLS, `direct` begins with it.
        context: what to offer; None offers no TLS, and lets everyone pass plainly.
    """

    # Handlers are joined by server_close().
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, backend: int, protocol: Protocol, context: ssl.SSLContext | None) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.port: int = self.server_address[1]
        self.backend = backend
        self.protocol = protocol
        self.context = context
        self.encrypted = 0
        self.plain = 0
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ending = False

    def count(self, kind: Literal["encrypted", "plain"]) -> None:
        with self._guard:
            setattr(self, kind, getattr(self, kind) + 1)

    @contextlib.contextmanager
    def kept(self, channel: socket.socket) -> Iterator[socket.socket]:
        """Closes a connection after use, or has it broken off when the proxy ends."""
        with channel:
            with self._guard:
                if self._ending:
                    raise ConnectionAbortedError("the proxy ends")
                self._open.add(channel)
            try:
                yield channel
            finally:
                with self._guard:
                    self._open.discard(channel)

    def break_off(self) -> None:
        """Wake every handler: what it waits for has ended."""
        with self._guard:
            self._ending = True
            for channel in self._open:
                with contextlib.suppress(OSError):
                    # Not the method of SSLSocket, which would turn a reader in another thread to plain text.
                    socket.socket.shutdown(channel, socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy(backend: int, protocol: Protocol, context: ssl.SSLContext | None) -> Iterator[TlsProxy]:
    """A proxy that serves in threads until the end of the block, when all of them are gone."""
    with TlsProxy(backend, protocol, context) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
            running.break_off()


class _Handler(socketserver.BaseRequestHandler):
    server: TlsProxy
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(_SECONDS)
        # A client may leave at any moment.
        with contextlib.suppress(OSError), self.server.kept(self.request):
            if self.server.protocol == "direct":
                self._serve(self.request, asked=True)
            else:
                self._greet()

    def _greet(self) -> None:
        """What libpq may ask before it starts."""
        while head := self._read(_REQUEST_LENGTH):
            length, code = struct.unpack("!II", head)
            if length == _REQUEST_LENGTH and code == _GSS_REQUEST:
                self.request.sendall(b"N")
            elif length == _REQUEST_LENGTH and code == _SSL_REQUEST:
                self.request.sendall(b"S" if self.server.context else b"N")
                if self.server.context:
                    return self._serve(self.request, asked=True)
            else:
                return self._serve(self.request, asked=False, head=head)
        return None

    def _read(self, length: int) -> bytes:
        """Exactly so many bytes; none when the client has left before."""
        content = b""
        while len(content) < length:
            part = self.request.recv(length - len(content))
            if not part:
                return b""
            content += part
        return content

    def _serve(self, channel: socket.socket, *, asked: bool, head: bytes = b"") -> None:
        if asked and self.server.context:
            channel = self.server.context.wrap_socket(channel, server_side=True, do_handshake_on_connect=False)
        with self.server.kept(channel):
            if isinstance(channel, ssl.SSLSocket) and not self._agreed(channel):
                return
            self.server.count("encrypted" if isinstance(channel, ssl.SSLSocket) else "plain")
            address = (LOOPBACK, self.server.backend)
            with self.server.kept(socket.create_connection(address, timeout=_SECONDS)) as behind:
                behind.sendall(head)
                _relay(channel, behind)

    def _agreed(self, channel: ssl.SSLSocket) -> bool:
        try:
            channel.do_handshake()
        except ssl.SSLError:
            # Unread bytes would turn the end into a reset, which could overtake the alert.
            channel.shutdown(socket.SHUT_WR)
            while channel.recv(_CHUNK):
                pass
            return False
        return True


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until one side ends or both are silent."""
    peers = {one: other, other: one}
    with selectors.DefaultSelector() as selector:
        for channel in peers:
            selector.register(channel, selectors.EVENT_READ)
        while True:
            # Bytes that TLS holds already decrypted are not seen by the selector.
            ready = [channel for channel in peers if isinstance(channel, ssl.SSLSocket) and channel.pending()]
            ready = ready or [key.fileobj for key, _events in selector.select(_SECONDS) if key.fileobj in peers]  # type: ignore[misc]
            if not ready:
                return
            for channel in ready:
                content = channel.recv(_CHUNK)
                if not content:
                    return
                peers[channel].sendall(content)
