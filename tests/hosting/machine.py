"""A fresh machine, as far as a folder can be one: docs/hosting.md is followed on it, by the letter.

What differs from a machine of one's own is all in this module:

- folders of the system (`/etc`, `/opt`, `/var`, `/usr/local/bin`) are below a folder of the test;
- everything belongs to who runs the test, so nothing is given to a user or group (`--owner`);
- the ports 8501, 8502, 443 and 80 are free ones, on 127.0.0.1 alone;
- PostgreSQL is the one of the tests, by its socket; its role is `keeper`;
- the certificate is signed by an authority of the test's own;
- the identity provider is on loopback, so without TLS;
- `apt-get`, `useradd`, `certbot`, `pip install` and `git` have been there before: their lines are
  looked at and not run;
- `systemctl` is this module: it starts what the unit file says, with the environment that it names.

A line that is not known here fails the test.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mohet_keys import wiring
from mohet_keys.settings import Settings
from tests.browser.app_server import ROOT, free_port
from tests.certificates import authority
from tests.hosting import document
from tests.postgres import Server, programs, serving
from tests.tab import Tab, cookie

NAME = "keys.example.com"
URL = f"https://{NAME}"
ROLE = "keeper"
SUPERUSER = "mohet"
"""Of the tests' PostgreSQL."""
PATIENCE = 60.0
"""Seconds within which something is up on a busy machine."""
SECTIONS = (
    "Packages, user and folders",
    "Master key",
    "Database",
    "Sign-in",
    "Settings",
    "Start",
    "nginx",
)
"""What a fresh machine needs, in this order."""
_TREE = ("app.py", "pages", "mohet_keys", "deploy", "requirements.txt", ".streamlit")
_FOLDERS = (
    "etc/nginx/sites-available",
    "etc/nginx/sites-enabled",
    "etc/systemd/system",
    "usr/local/bin",
    "var/log/nginx",
    "var/www/html",
)
"""What Debian and its packages bring along."""
_PLACE = re.compile(r"(?<![\w.$/-])/(etc|opt|var|usr/local/bin)/")
_UNIT = r"(nginx|mohet-keys@\d+)"
_PACKAGE = r"[a-z0-9][a-z0-9.+-]+"
_RUNUSER = re.compile(r"runuser -u (mohet|postgres) -- (.+)")
_BY_POSTGRES = ("createuser", "createdb", "dropdb")
_BY_MOHET = ("mohet-keys", "pg_dump", "pg_restore")
_RUN = ("install", "head", "cp", "mv", "sed", "ln", "rm")


class UnknownCommandError(AssertionError):
    """The document tells to type something that the test knows nothing about."""


class Machine:
    """One that was not set up yet. `folder` is all it may write to."""

    def __init__(self, folder: Path, server: Server, identity_provider: str) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.server = server
        self.http, self.tls, *self.ports = (free_port() for _ in range(4))
        self.authority = authority()
        self.told = ""
        """What the last command said."""
        self._identity_provider = identity_provider
        self._cwd = folder
        self._apps: dict[int, subprocess.Popen[bytes]] = {}
        self._nginx: subprocess.Popen[bytes] | None = None
        for name in _FOLDERS:
            (self.root / name).mkdir(parents=True)
        (self.root / "etc/nginx/sites-enabled/default").write_text("# Debian's\n")

    # --- following the document ---------------------------------------------------------------

    def follow(self, *sections: str) -> None:
        """Do what the document says below these headings."""
        for name in sections:
            for block in document.section(name):
                if block.file:
                    self._write(block)
                else:
                    for command in block.commands:
                        self.do(command)

    def do(self, command: str) -> None:
        """Type a line of the document."""
        _doer(command)(self, self.here(command))

    def here(self, text: str) -> str:
        """A text of the document, or of a file in `deploy`, with what differs on this machine."""
        text = text.replace("?host=/var/run/postgresql", f"?host={self.server.folder}")
        text = _PLACE.sub(rf"{self.root}/\1/", text)
        for port, own in zip(("8501", "8502"), self.ports, strict=True):
            text = text.replace(port, str(own))
        text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"\blisten 443\b", f"listen 127.0.0.1:{self.tls}", text)
        text = re.sub(r"\blisten 80\b", f"listen 127.0.0.1:{self.http}", text)
        text = re.sub(r"(?<=createuser )mohet\b|(?<=createdb --owner=)mohet\b", ROLE, text)
        text = text.replace("//mohet@/", f"//{ROLE}@/")
        return text.replace("=you@example.com", "=grace@example.com")

    def _write(self, block: document.Block) -> None:
        """Write a file of the document, filled in as it says."""
        text = self.here(block.text).replace("what was printed", self.told.strip())
        text = text.replace("from the identity provider", "mohet")
        text = text.replace(
            "https://sso.example.com/.well-known", f"{self._identity_provider}/.well-known"
        )
        path = Path(self.here(block.file))
        assert path.exists(), f"{block.file} is to be written before it was made"
        path.write_text(text)

    # --- what lines do -----------------------------------------------------------------------

    def _cd(self, command: str) -> None:
        self._cwd = Path(command.split()[1])

    def _shell(self, command: str, **environment: str) -> None:
        """Have a shell do it, with the environment of somebody who has just come in."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self._cwd,
            env={**self._environment(), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        self.told = done.stdout

    def _environment(self) -> dict[str, str]:
        own = [self.root / "usr/local/bin", programs(), "/usr/local/bin", "/usr/bin", "/bin"]
        return {"PATH": ":".join(map(str, own)), "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def _install(self, command: str) -> None:
        self._shell(re.sub(r" --(owner|group)=\S+", "", command))

    def _python(self, command: str) -> None:
        self._shell(command.replace("python3", sys.executable, 1))

    def _as_somebody(self, command: str) -> None:
        """PostgreSQL knows by the user who somebody is; here it is told."""
        found = _RUNUSER.fullmatch(command)
        assert found
        role = SUPERUSER if found[1] == "postgres" else ROLE
        self._shell(found[2], PGHOST=str(self.server.folder), PGUSER=role)

    def _clone(self, command: str) -> None:
        """What a clone would bring: the working tree, with `deploy` as it has to be here."""
        target = Path(command.split()[-1])
        target.mkdir(parents=True)
        for name in _TREE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, target / name)
        (target / ".streamlit" / "secrets.toml").unlink(missing_ok=True)
        for path in (target / "deploy").iterdir():
            path.write_text(self.here(path.read_text()))

    def _virtual_environment(self, _: str) -> None:
        (self._cwd / ".venv").symlink_to(sys.prefix)

    def _nothing(self, _: str) -> None:
        """It has been there before."""

    def _certificate(self, command: str) -> None:
        name = re.search(r"--domain=(\S+)", command)
        assert name
        place = self.root / "etc/letsencrypt/live" / name[1]
        place.mkdir(parents=True)
        for file in ("fullchain.pem", "privkey.pem"):
            (place / file).write_bytes(self.authority.issue(name[1]))
        (place / "fullchain.pem").write_bytes((place / "privkey.pem").read_bytes())

    def _answer(self, command: str) -> None:
        """`curl` until it answers well."""
        url = command.split()[-1]
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\w+)", url)
        assert found
        self.ready(int(found[1]), found[2])

    def _systemctl(self, command: str) -> None:
        verb, *units = command.replace("--now ", "").split()[1:]
        for unit in units:
            name, _, port = unit.partition("@")
            if name == "nginx":
                self.reload()
                continue
            if verb in {"stop", "restart"}:
                self.stop(int(port))
            if verb in {"enable", "start", "restart"}:
                self.start(int(port))

    # --- systemd --------------------------------------------------------------------------------

    def unit(self) -> RawConfigParser:
        """The unit as it is installed."""
        unit = RawConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(self.root / "etc/systemd/system/mohet-keys@.service")
        return unit

    @property
    def environment(self) -> dict[str, str]:
        """What the unit's file of settings has."""
        lines = Path(self.unit()["Service"]["EnvironmentFile"]).read_text().splitlines()
        named = (shlex.split(line) for line in lines if line and not line.startswith("#"))
        return dict(each.partition("=")[::2] for (each,) in named)

    def start(self, port: int) -> None:
        """Start a process as the unit says."""
        service = self.unit()["Service"]
        home = {"HOME": str(self.root / "var/lib/mohet-keys")}
        with (self.folder / f"{port}.log").open("ab") as log:
            self._apps[port] = subprocess.Popen(
                shlex.split(service["ExecStart"].replace("%i", str(port))),
                cwd=service["WorkingDirectory"],
                env={**self._environment(), **home, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, port: int, how: signal.Signals = signal.SIGTERM) -> None:
        """End a process; SIGKILL is how it may be ended at any time."""
        process = self._apps.pop(port, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()

    def ready(self, port: int, path: str = "/readyz") -> None:
        """Wait until a process says that all is well."""
        until = time.monotonic() + PATIENCE
        while _status(port, path) != 200:
            log = (self.folder / f"{port}.log").read_text()
            assert self._apps[port].poll() is None, log
            assert time.monotonic() < until, log
            time.sleep(0.05)

    def is_well(self, port: int) -> bool:
        """Whether a process says that the store opens."""
        return _status(port, "/healthz") == 200

    # --- nginx ----------------------------------------------------------------------------------

    def _vet(self, _: str = "") -> None:
        done = subprocess.run(
            [*self._nginx_command(), "-t"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def reload(self) -> None:
        """Have nginx read its configuration. It was started by Debian's package; here, now."""
        if self._nginx is not None:
            self._nginx.send_signal(signal.SIGHUP)
            return
        self._nginx = subprocess.Popen(
            self._nginx_command(), cwd=self.folder, stdin=subprocess.DEVNULL
        )
        until = time.monotonic() + PATIENCE
        while not _answers(self.tls):
            assert self._nginx.poll() is None, self.log("error.log")
            assert time.monotonic() < until, self.log("error.log")
            time.sleep(0.02)

    def _nginx_command(self) -> list[str]:
        """nginx with what Debian's own configuration says, as far as it matters."""
        main, log = self.folder / "nginx.conf", self.root / "var/log/nginx/error.log"
        temporary = "".join(
            f"    {name}_temp_path {self.folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        main.write_text(
            f"daemon off;\nworker_processes 2;\npid {self.folder}/nginx.pid;\nerror_log {log};\n"
            f"{'user root;' if os.geteuid() == 0 else ''}\nevents {{}}\nhttp {{\n"
            f"    access_log {log.with_name('access.log')};\n{temporary}"
            f"    include {self.root}/etc/nginx/sites-enabled/*;\n}}\n"
        )
        return [nginx(), "-p", str(self.folder), "-c", str(main), "-e", str(log)]

    def log(self, name: str = "mohet-keys.log") -> str:
        """A log of nginx."""
        path = self.root / "var/log/nginx" / name
        return path.read_text() if path.exists() else ""

    def served(self, request: str) -> list[str]:
        """To which ports nginx turned for a request, by its id, in order."""
        until = time.monotonic() + PATIENCE
        while not (found := [line for line in self.log().splitlines() if request in line]):
            assert time.monotonic() < until, f"{request} is not in the log"
            time.sleep(0.01)  # it is written down after it was answered
        processes: str = json.loads(found[0])["process"]
        return [part.rpartition(":")[2] for part in processes.split(", ")]

    def end(self) -> None:
        """End all that runs."""
        for process in [*self._apps.values(), *filter(None, [self._nginx])]:
            process.terminate()
        for process in [*self._apps.values(), *filter(None, [self._nginx])]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._apps, self._nginx = {}, None

    # --- from outside -----------------------------------------------------------------------------

    def line(self, source: str = "127.0.0.1") -> tuple[socket.socket, ssl.SSLContext]:
        """A connection to nginx, and what to greet with: the test's authority alone is trusted."""
        context = ssl.create_default_context(cadata=self.authority.pem)
        opened = socket.create_connection(("127.0.0.1", self.tls), 30, (source, 0))
        return opened, context

    def ask(
        self, path: str, *headers: tuple[str, str], source: str = "127.0.0.1", method: str = "GET"
    ) -> Answer:
        """Ask for a path, as any program could."""
        plain, context = self.line(source)
        with context.wrap_socket(plain, server_hostname=NAME) as line:
            named = {name.lower() for name, _ in headers}
            sent = [("Host", NAME)] * ("host" not in named) + [*headers, ("Connection", "close")]
            head = "".join(f"{name}: {value}\r\n" for name, value in sent)
            line.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
            response = http.client.HTTPResponse(line, method=method)
            response.begin()
            body = b"" if response.status == 101 else response.read()
            return Answer(response.status, response.getheaders(), body.decode("utf-8", "replace"))

    def tab(self, user: str = "", **more: Any) -> Tab:
        """A browser's tab, through nginx."""
        plain, context = self.line()
        return Tab(URL, user=user, way={"sock": plain, "ssl": context}, **more)

    def tab_at(self, port: int, who: str = "ada", **more: Any) -> Tab:
        """A tab of somebody who was at this process before."""
        return self.tab(self.cookie(who), cookies=f"mohet_process={port}", **more)

    def cookie(self, who: str, nonce: str = "one") -> str:
        """The cookie that somebody has after they signed in."""
        now = int(time.time())
        said = {"iss": "https://idp", "sub": who, "aud": "mohet", "iat": now, "exp": now + 3600}
        email = {"email": f"{who}@example.com", "email_verified": True, "name": who.title()}
        return cookie(self.cookie_secret, URL, {**said, **email, "nonce": nonce})

    @property
    def cookie_secret(self) -> str:
        """What signs the cookies."""
        text = (self.root / "etc/mohet-keys/secrets.toml").read_text()
        found = re.search(r'cookie_secret = "(.+)"', text)
        assert found
        return found[1]

    def parts(self) -> wiring.Parts:
        """The same store, opened from the test's side."""
        named = self.environment
        return wiring.build(
            Settings(
                data_dir=self.folder / "data",
                config_dir=self.folder / "config",
                database_url=SecretStr(named["MOHET_DATABASE_URL"]),
                master_key_file=Path(named["MOHET_MASTER_KEY_FILE"]),
            )
        )


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        self.status = status
        self.names = [name.lower() for name, _ in headers]
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body


def nginx() -> str:
    """Where nginx is."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, "These tests need nginx: scripts/hosting.sh gets Debian's."
    return found


def _status(port: int, path: str) -> int:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        asked.request("GET", path)
        return asked.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        asked.close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- which lines are known ----------------------------------------------------------------------

Doer = Callable[[Machine, str], None]
_KNOWN: tuple[tuple[str, Doer], ...] = (
    (r"apt-get (update|install --yes( " + _PACKAGE + r")+)", Machine._nothing),
    (
        r"useradd --system --user-group --home-dir \S+ --shell /usr/sbin/nologin mohet",
        Machine._nothing,
    ),
    (r"git clone https://\S+ /opt/mohet-keys", Machine._clone),
    (r"git pull --ff-only", Machine._nothing),
    (r"python3 -m venv \.venv", Machine._virtual_environment),
    (r"\.venv/bin/python -m pip install --requirement requirements\.txt", Machine._nothing),
    (r"\.venv/bin/python -m compileall -q app\.py pages mohet_keys", Machine._shell),
    (r'python3 -c "[^"]+"', Machine._python),
    (r"cd /(opt/mohet-keys|etc/mohet-keys)?", Machine._cd),
    (r"curl --fail --retry \d+ --retry-delay 1 --retry-connrefused http://\S+", Machine._answer),
    (
        r'certbot certonly --webroot --webroot-path=\S+ --domain=[a-z.]+ --deploy-hook="[\w ]+"',
        Machine._certificate,
    ),
    (r"nginx -t", Machine._vet),
    (r"systemctl daemon-reload", Machine._nothing),
    (rf"systemctl (enable --now|start|stop|restart|reload)( {_UNIT})+", Machine._systemctl),
    (rf"runuser -u postgres -- ({'|'.join(_BY_POSTGRES)}) .+", Machine._as_somebody),
    (rf"runuser -u mohet -- ({'|'.join(_BY_MOHET)}) .+", Machine._as_somebody),
    (r"install .+", Machine._install),
    (rf"({'|'.join(_RUN)}) .+", Machine._shell),
)


def _doer(command: str) -> Doer:
    """What a line of the document does on this machine."""
    for pattern, doer in _KNOWN:
        if re.fullmatch(pattern, command):
            return doer
    raise UnknownCommandError(command)


def vet(command: str) -> None:
    """Raise UnknownCommandError for a line that nobody here could type."""
    _doer(command)


@contextmanager
def fresh(folder: Path, identity_provider: str = "http://127.0.0.1:9") -> Iterator[Machine]:
    """A machine on which nothing was done yet; what runs on it ends with the block."""
    nginx()
    with serving(fsync="on", full_page_writes="on") as server:
        machine = Machine(folder, server, identity_provider)
        try:
            yield machine
        finally:
            machine.end()


@contextmanager
def deployed(folder: Path, identity_provider: str = "http://127.0.0.1:9") -> Iterator[Machine]:
    """A machine on which the document was followed."""
    with fresh(folder, identity_provider) as machine:
        machine.follow(*SECTIONS)
        yield machine
