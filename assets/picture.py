#!/usr/bin/env python3
"""Draws assets/porttop.png: the real porttop in a real terminal, looking at a real leak.

    cargo build --release && cargo build --example lab
    pip install pyte Pillow          # and DejaVu Sans Mono: apt-get install fonts-dejavu-core
    python3 assets/picture.py        # as root; or with another file name to write to

The lab (tests/lab/) makes the sockets in namespaces of its own, with a host name of its own.
porttop runs in a pseudo-terminal of 100 columns and 24 rows until its verdict is CRITICAL; what a
terminal emulator makes of its output is then drawn cell by cell.
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

try:
    import pyte
    from PIL import Image, ImageDraw, ImageFont
except ImportError as missing:
    sys.exit(f"{missing}: pip install pyte Pillow")

ROOT = pathlib.Path(__file__).resolve().parent.parent
PORTTOP = ROOT / "target/release/porttop"
LAB = ROOT / "target/debug/examples/lab"
FONTS = pathlib.Path("/usr/share/fonts/truetype/dejavu")
PICTURE = ROOT / "assets/porttop.png"

COLUMNS, ROWS = 100, 24
LEAK = "orders-api"
# Long enough for the trends to have a shape; the leak fills the range a little later.
AT_LEAST, AT_MOST = 20, 90

FONT_SIZE, CELL_WIDTH, CELL_HEIGHT, MARGIN = 20, 12, 25, 16
FOREGROUND, BACKGROUND = "#d4d7dd", "#14161b"
PALETTE = {
    "black": "#1d2027", "red": "#e5534b", "green": "#57ab5a", "brown": "#d4a72c",
    "blue": "#539bf5", "magenta": "#b083f0", "cyan": "#39c5cf", "white": "#d4d7dd",
    "brightblack": "#7d8590", "brightred": "#ff7b72", "brightgreen": "#7ee787", "brightbrown": "#f2cc60",
    "brightblue": "#79c0ff", "brightmagenta": "#d2a8ff", "brightcyan": "#76e3ea", "brightwhite": "#ffffff",
    "bfightmagenta": "#d2a8ff",  # as pyte spells it
}


class Lab:
    """The lab, driven as tests/lab/protocol.rs says."""

    def __init__(self, start, end):
        # Process numbers as on a machine that has been up for a while, and no process of this one.
        script = 'hostname web-01 && echo 4300 >/proc/sys/kernel/ns_last_pid && exec "$0" "$@"'
        namespaces = ["--net", "--uts", "--pid", "--fork", "--mount-proc"]
        command = ["unshare", *namespaces, "sh", "-c", script, LAB, str(start), str(end)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()
        unshare = self.process.pid
        self.pid = pathlib.Path(f"/proc/{unshare}/task/{unshare}/children").read_text().strip()

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit("the lab could not start: is this root?")

    def start(self, name, **role):
        self.process.stdin.write(json.dumps({"start": {"name": name, "role": role}}) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer["started"] if "started" in answer else sys.exit(f"{name}: {answer}")

    def inside(self, *command):
        return ["nsenter", "--target", self.pid, "--net", "--uts", "--pid", "--mount", *map(str, command)]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def set_the_stage(lab):
    """A shop's server an hour before the call: one service leaks, the others do their work."""
    def client(to, count, fate):
        return {"client": {"to": to, "count": count, "fate": fate}}

    lab.start("postgres", server={"listen": ["127.0.0.1:5432"]})
    lab.start("nginx", server={"listen": ["127.0.0.1:8080", "127.0.0.1:8443", "[::1]:8080"]})
    lab.start(LEAK, leak={"at": "127.0.0.1", "pace": {"per_second": 130, "count": 60000}})
    lab.start("checkout", **client(["127.0.0.1:5432"], 184, "kept"))
    lab.start("reports", **client(["127.0.0.1:8443"], 96, "closed_by_server"))
    lab.start("importer", **client(["127.0.0.1:8080"], 240, "closed_by_client"))
    lab.start("metrics", churn={"to": "127.0.0.1:8080", "pace": {"per_second": 12, "count": 60000}})
    lab.start("resolver", udp={"at": "127.0.0.1", "count": 23, "to": "127.0.0.1:53"})
    lab.start("health", **client(["[::1]:8080"], 11, "kept"))


def watch(command):
    """The screen of a command once it is CRITICAL; the command is then told to quit."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    start, rest, selected = time.monotonic(), b"", False
    while (seconds := time.monotonic() - start) < AT_MOST:
        if seconds > AT_LEAST and not rest and any("CRITICAL" in row for row in screen.display):
            if any(row.startswith(">") and LEAK in row for row in screen.display):
                break
            if not selected:
                os.write(terminal, b"g")
                selected = True
        if select.select([terminal], [], [], 1)[0]:
            frames, rest = whole_frames(rest + os.read(terminal, 65536))
            stream.feed(for_pyte(frames))
    else:
        print("\n".join(screen.display))
        sys.exit(f"no CRITICAL within {AT_MOST} s")
    os.write(terminal, b"q")
    # Read to the end, or the program waits for room to say goodbye.
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass
    os.waitpid(pid, 0)
    return screen


def whole_frames(output):
    """Splits after the last synchronized update that has ended: half a frame is no picture."""
    begin, end = b"\x1b[?2026h", b"\x1b[?2026l"
    if output.rfind(begin) > output.rfind(end):
        cut = output.rfind(begin)
        return output[:cut], output[cut:]
    return output, b""


def for_pyte(output):
    """Without what pyte prints instead of ignoring: sequences with a private prefix other than `?`."""
    return re.sub(rb"\x1b\[[<>=][0-9;]*[A-Za-z]", b"", output)


def colour(name, default):
    if name == "default":
        return default
    # The first 16 of 256 colours are the terminal's own, too.
    if name in pyte.graphics.FG_BG_256[:16]:
        name = list(PALETTE)[pyte.graphics.FG_BG_256.index(name)]
    return PALETTE.get(name) or f"#{name}"


def draw(screen):
    fonts = {
        bold: ImageFont.truetype(FONTS / name, FONT_SIZE)
        for bold, name in [(False, "DejaVuSansMono.ttf"), (True, "DejaVuSansMono-Bold.ttf")]
    }
    size = (COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN)
    image = Image.new("RGB", size, BACKGROUND)
    canvas = ImageDraw.Draw(image)
    for row in range(ROWS):
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            ink, paper = colour(cell.fg, FOREGROUND), colour(cell.bg, BACKGROUND)
            if cell.reverse:
                ink, paper = paper, ink
            left, top = MARGIN + column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT
            fill(canvas, left, top, (0, 0, 1, 1), paper)
            if shape := block(cell.data):
                fill(canvas, left, top, shape, ink)
            elif cell.data.strip():
                baseline = (left + CELL_WIDTH / 2, top + CELL_HEIGHT - 6)
                canvas.text(baseline, cell.data, ink, fonts[cell.bold], anchor="ms")
            if cell.underscore:
                fill(canvas, left, top, (0, 0.92, 1, 1), ink)
    return image


def block(character):
    """The part of a cell that a block or line character fills: left, top, right, bottom."""
    if "▁" <= character <= "█":
        return (0, 1 - (ord(character) - ord("▁") + 1) / 8, 1, 1)
    if "▉" <= character <= "▏":
        return (0, 0, 1 - (ord(character) - ord("█")) / 8, 1)
    return {"─": (0, 0.48, 1, 0.54), "│": (0.44, 0, 0.56, 1)}.get(character)


def fill(canvas, left, top, shape, paint):
    x0, y0, x1, y1 = shape
    corners = [left + x0 * CELL_WIDTH, top + y0 * CELL_HEIGHT]
    corners += [left + x1 * CELL_WIDTH - 1, top + y1 * CELL_HEIGHT - 1]
    x0, y0, x1, y1 = map(round, corners)
    canvas.rectangle((x0, y0, max(x0, x1), max(y0, y1)), fill=paint)


def main():
    picture = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    porttop = pathlib.Path(os.environ.get("PORTTOP", PORTTOP))
    for needed, remedy in [
        (porttop, "cargo build --release"),
        (LAB, "cargo build --example lab"),
        (FONTS / "DejaVuSansMono-Bold.ttf", "apt-get install fonts-dejavu-core"),
    ]:
        if not needed.exists():
            sys.exit(f"{needed} is missing: {remedy}")
    lab = Lab(32768, 36863)
    try:
        set_the_stage(lab)
        screen = watch(lab.inside(porttop))
    finally:
        lab.close()
    print("\n".join(screen.display))
    draw(screen).save(picture, optimize=True)
    print(picture)


if __name__ == "__main__":
    main()
