"""A real server to trade on: the program that TIDEGATE_BINARY names, with a market of the house and a door."""

import os
import pathlib
import subprocess
import threading
from collections.abc import Iterator

import pytest

import tidegate
import tidegate.aio

TOKEN = "a-token-of-the-tests"
SYMBOL = "HOUSE"
PATIENCE_S = 30.0

_CONFIG = """
[engine]
orders_max = 65536
book_orders_max = 65536
[journal]
dir = "{dir}/journal"
segment_mib = 1
[feed]
line_a = "127.0.0.1:0"
midnight_unix_s = 1577664000
[edge]
listen = "127.0.0.1:0"
[[edge.tokens]]
token = "{token}"
principal = 1
name = "tester"
may_administer = true
may_control = true
[[instruments]]
symbol = "{symbol}"
price_unit = "0.01"
venue_kind = "internal"
"""

_ACCOUNT = """
[[accounts]]
id = {id}
cash = "1000000"
[accounts.limits]
max_order_notional = "250000"
max_order_qty = 5000
max_position = 50000
credit = "4000000"
price_collar_bp = 1000
max_open_orders = 5000
messages_per_sec = 100000
message_burst = 100000
"""


def binary() -> str:
    found = os.environ.get("TIDEGATE_BINARY")
    if not found:
        pytest.exit("TIDEGATE_BINARY names no program: run scripts/python.sh, which builds it", returncode=2)
    return found


class Server:
    """A running `tidegate run`."""

    def __init__(self, dir: pathlib.Path) -> None:
        config = dir / "tidegate.toml"
        accounts = "".join(_ACCOUNT.format(id=id) for id in (1, 2))
        config.write_text(_CONFIG.format(dir=dir, token=TOKEN, symbol=SYMBOL) + accounts)
        self.door = dir / "journal" / "door.sock"
        self.config = config
        self.addr = ""
        self.start()

    def start(self) -> None:
        self.running = subprocess.Popen(
            [binary(), "run", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        assert self.running.stdout
        for line in self.running.stdout:
            said.append(line)
            if line.startswith("gRPC"):
                self.addr = line.split()[1]
            if line.startswith("feed"):
                break
        else:
            pytest.fail(f"the server ended: {''.join(said)}")
        # Whoever speaks wants to be heard.
        self.ears = threading.Thread(target=self.running.stdout.read, daemon=True)
        self.ears.start()

    def stop(self) -> None:
        self.running.terminate()
        assert self.running.wait(PATIENCE_S) == 0
        self._forget()

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()
        self._forget()

    def _forget(self) -> None:
        self.ears.join()
        assert self.running.stdout
        self.running.stdout.close()

    def client(self) -> tidegate.aio.Client:
        return tidegate.aio.Client(self.addr, TOKEN)

    def order(self, *args: str, account: int = 2) -> None:
        """Sends an order by the program's own command line."""
        command = [binary(), "order", "new", SYMBOL, *args, "--account", str(account), "--addr", self.addr]
        done = subprocess.run(command, env=os.environ | {"TIDEGATE_TOKEN": TOKEN}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Server]:
    """A server whose market has a bid of 99.00 and an offer of 101.00, both of account 2."""
    server = Server(tmp_path)
    env = os.environ | {"TIDEGATE_TOKEN": TOKEN}
    command = [binary(), "market", "reference", SYMBOL, "100", "--addr", server.addr]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    server.order("buy", "500", "--price", "99.00")
    server.order("sell", "500", "--price", "101.00")
    yield server
    if server.running.poll() is None:
        server.stop()
