import json
import re
import sys
from collections import Counter

EVENT = re.compile(
    r"""(?P<time>\d{2}:\d{2}:\d{2})\s+
        (?P<level>DEBUG|INFO|WARN|ERROR)\s+
        \[(?P<module>[\w.]+)\]\s+
        (?P<text>.*)""",
    re.VERBOSE,
)

events = []
for number, line in enumerate(sys.stdin, 1):
    if match := EVENT.fullmatch(line.rstrip("\n")):
        events.append(match.groupdict() | {"line": number})

levels = Counter(event["level"] for event in events)
print(json.dumps({"levels": levels, "first": events[0]}, indent=1, sort_keys=True))
text = re.sub(r"(?<=user=)\w+", lambda m: m[0][0] + "*" * (len(m[0]) - 1), events[-1]["text"])
print(text)
back = json.loads('{"pi": 3.14159, "big": 123456789012345678901234567890, "text": "\\ud83d\\ude00"}')
print(back["big"] + 1, back["text"], back["pi"])
try:
    json.loads('{"a": 1,}')
except json.JSONDecodeError as error:
    print("line", error.lineno, "column", error.colno)
