# tries = "write the page cache of read-only files through pipes (Dirty Pipe and its kin)"
# verdict = "ok"
# expect = { "splice out" = "EBADF|EROFS|EINVAL", "vmsplice" = "ENOSYS", "same" = "True" }
import hashlib

path = os.path.realpath(sys.executable)
before = hashlib.sha256(open(path, "rb").read()).hexdigest()
source = os.open(path, os.O_RDONLY)
reader, writer = os.pipe()
os.write(writer, b"x" * 65536)   # leaves PIPE_BUF_FLAG_CAN_MERGE behind on old kernels
os.read(reader, 65536)
for offset in (0, 1, 4095):
    os.splice(source, writer, 1, offset_src=offset)
    os.write(writer, b"OVERWRITTEN")
second_reader, second_writer = os.pipe()
raw("tee", reader, second_writer, 4096, 0)
os.write(second_writer, b"OVERWRITTEN")
call("splice", reader, 0, source, 0, 100, 0, step="splice out")
call("vmsplice", writer, 0, 0, 0)
say("same", hashlib.sha256(open(path, "rb").read()).hexdigest() == before)
