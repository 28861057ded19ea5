import sys
from array import array

data = sys.stdin.buffer.read()
values = array("q", map(int, data.split()))
ordered = sorted(values)
print(len(data), len(values), sum(values), ordered[0], ordered[len(ordered) // 2], ordered[-1])
