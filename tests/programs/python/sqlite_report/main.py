import sqlite3

db = sqlite3.connect("sales.db")
db.executescript("""
    CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE sale (city INTEGER REFERENCES city, month INTEGER, amount INTEGER CHECK (amount > 0));
""")
with db:
    db.executemany("INSERT INTO city VALUES (?, ?)", enumerate(["Oslo", "Lima", "Cairo"]))
    db.executemany("INSERT INTO sale VALUES (?, ?, ?)",
                   ((n % 3, n % 12 + 1, n * 37 % 101 + 1) for n in range(3000)))
for row in db.execute("""
        SELECT name, count(*), sum(amount),
               rank() OVER (ORDER BY sum(amount) DESC)
        FROM sale JOIN city ON city.id = sale.city GROUP BY city.id ORDER BY name"""):
    print(*row)
try:
    with db:
        db.execute("INSERT INTO sale VALUES (0, 1, -5)")
except sqlite3.IntegrityError as error:
    print("refused:", error)
print(db.execute("PRAGMA integrity_check").fetchone()[0])
