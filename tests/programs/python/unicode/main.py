import sys
import unicodedata

for line in sys.stdin:
    word = line.strip()
    folded = unicodedata.normalize("NFD", word)
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    print(word, word.upper(), plain, len(word), len(word.encode()), word[::-1])
print("\N{GREEK SMALL LETTER ALPHA}\N{COMBINING ACUTE ACCENT} \u2028 \x00 \x1b[1mbold\x1b[0m \U0001F9EA")
print("naïve café", file=sys.stderr)
