"""An attack on a running daemon, from all sides at once, and what it bore.

`make attack` starts a real `tagger run` with the default model, a token and a folder in which good pictures keep coming,
and meanwhile sends it mutated pictures, mutated requests and every case that once did harm. It prints a table and fails
where a bound is passed. `test_cases.py` has each case by itself, with the fake engine, for what holds on any machine.

What is made is told by a number that is printed, so that the same attack can be made again. How soon the daemon answers
is measured by a process of its own (`pulse`): threads of the attackers' would wait for each other and blame the daemon.
"""
