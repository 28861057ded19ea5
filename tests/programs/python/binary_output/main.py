import struct
import sys
import wave
import io

buffer = io.BytesIO()
with wave.open(buffer, "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(2)
    sound.setframerate(8000)
    sound.writeframes(b"".join(struct.pack("<h", i * 1000) for i in range(-8, 8)))
sys.stdout.buffer.write(buffer.getvalue())
sys.stdout.buffer.write(b"\xff\xfe\x00\x80")
