"""Speed, counted beside its floor: what the same work costs without Mohet Keys around it.

`python -m benchmarks` prints a line for each promise. Every benchmark keeps its keys in a
temporary folder, and what is compared is measured in turns, so that a busy machine is busy for
both.
"""
