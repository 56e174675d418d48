"""Runs a program in a terminal, closes the terminal when a word is seen, and ends with the program's exit code."""

import os
import pty
import sys

word, program = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(program[0], program)
seen = b""
while word not in seen:
    seen += os.read(terminal, 65536)
os.close(terminal)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
