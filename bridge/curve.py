"""CURVE keys, without which nobody talks to the engine from another machine.

A folder of keys: `engine.key` (public), `engine.key_secret`, `client.key`, `client.key_secret`,
and `clients/` with the public key of every client that may come in. A client needs
`engine.key`, `client.key` and `client.key_secret` only. `python -m bridge.curve DIR` makes one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from engine.errors import AttaccaError, BadRequest, Refused, Unavailable

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]", "::1")


def create_keys(folder: Path) -> None:
    """Make a key pair for the engine and one for a client. Raises when keys are there already."""
    if (folder / "engine.key").exists():
        raise BadRequest(f"there are keys in {folder} already: choose another folder, or delete them first")
    try:
        (folder / "clients").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in ("engine", "client"):
            _, secret = zmq.auth.create_certificates(folder, name)
            Path(secret).chmod(0o600)
        shutil.copy(folder / "client.key", folder / "clients" / "client.key")
    except OSError as error:
        raise Unavailable(f"cannot write keys into {folder}: {error.strerror}") from error


def is_local(endpoint: str) -> bool:
    """Whether an endpoint can be reached from this machine alone."""
    scheme, _, place = endpoint.partition("://")
    return scheme in ("ipc", "inproc") or (scheme == "tcp" and place.rpartition(":")[0] in LOOPBACK_HOSTS)


def guard_server(socket: zmq.Socket[bytes], endpoint: str, keys: Path | None) -> ThreadAuthenticator | None:
    """Apply the keys before the bind; refuse an open endpoint without keys. Returns what to stop."""
    if keys is None:
        if not is_local(endpoint):
            raise Refused(
                f"{endpoint} can be reached from other machines: give --curve-keys DIR, "
                "or serve at tcp://127.0.0.1:9800"
            )
        return None
    public, secret = _load(keys / "engine.key_secret")
    if not (keys / "clients").is_dir():
        raise Unavailable(f"no folder {keys / 'clients'} with the public keys of those who may come in")
    authenticator = ThreadAuthenticator(socket.context)
    authenticator.start()
    authenticator.configure_curve(domain="*", location=str(keys / "clients"))
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = public, secret
    return authenticator


def guard_client(socket: zmq.Socket[bytes], keys: Path | None) -> None:
    """Apply the keys before the connect."""
    if keys is None:
        return
    socket.curve_publickey, socket.curve_secretkey = _load(keys / "client.key_secret")
    socket.curve_serverkey = zmq.auth.load_certificate(keys / "engine.key")[0]


def _load(path: Path) -> tuple[bytes, bytes]:
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise Unavailable(f"no key at {path}: make keys with `python -m bridge.curve DIR`") from error
    if secret is None:
        raise Unavailable(f"{path} holds no secret key")
    return public, secret


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 2:
        sys.exit("usage: python -m bridge.curve DIR")
    try:
        create_keys(Path(sys.argv[1]))
    except AttaccaError as error:
        sys.exit(str(error))
