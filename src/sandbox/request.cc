#include "sandbox/request.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "linux/syscall.h"

namespace sandbox {
namespace {

using base::Result;
using base::UniqueFd;

// A descriptor of its own for reading, with an offset of its own.
UniqueFd ReopenForReading(const UniqueFd& fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

class PayloadWriter {
 public:
  template <typename T>
  void Put(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  void PutString(const std::string& text) {
    Put(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
    bytes_.push_back('\0');
  }

  void PutBytes(const std::string& bytes) { bytes_.append(bytes); }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

bool HasNul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

// What the payload begins with: the command and its environment. An error when a text holds a NUL.
Result<void> PutCommand(const std::vector<std::string>& argv,
                        const std::vector<std::pair<std::string, std::string>>& env, size_t files,
                        PayloadWriter* payload) {
  payload->Put(wire::PayloadHeader{wire::kPayloadMagic, static_cast<uint32_t>(argv.size()),
                                   static_cast<uint32_t>(env.size()),
                                   static_cast<uint32_t>(files)});
  for (const std::string& arg : argv) {
    if (HasNul(arg)) {
      return base::InvalidArgument("an argument holds a NUL byte");
    }
    payload->PutString(arg);
  }
  for (const auto& [key, value] : env) {
    if (HasNul(key) || HasNul(value)) {
      return base::InvalidArgument("an environment variable holds a NUL byte");
    }
    payload->PutString(key + "=" + value);
  }
  return {};
}

// Sealed. Not valid, with errno, when that fails.
UniqueFd WritePayload(const PayloadWriter& payload) {
  UniqueFd fd = Memfd("payload");
  if (fd.valid() &&
      !(linux::WriteAll(fd.get(), payload.bytes().data(), payload.bytes().size()) && Seal(fd))) {
    fd.reset();
  }
  return fd;
}

wire::Input InputOf(const Spec& spec) {
  return spec.terminal     ? wire::Input::kTerminal
         : spec.live_input ? wire::Input::kPipe
                           : wire::Input::kFile;
}

Result<void> MakeInput(const Spec& spec, Message* message) {
  if (spec.terminal) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return base::SysError("socketpair", errno);
    }
    message->stdin_fd.reset(ends[0]);
    message->input.reset(ends[1]);
    return {};
  }
  if (spec.live_input) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      return base::SysError("pipe", errno);
    }
    message->stdin_fd.reset(ends[0]);
    message->input.reset(ends[1]);
    // The program runs as another user: so that it can also open its stream by name (/dev/stdin).
    return ::fchmod(ends[0], 0444) == 0 ? Result<void>()
                                        : base::SysError("open a stream for reading", errno);
  }
  const UniqueFd input = Memfd("stdin");
  if (!input.valid() ||
      !linux::WriteAll(input.get(), spec.stdin_data.data(), spec.stdin_data.size()) ||
      !Seal(input)) {
    return base::SysError("write the job's input", errno);
  }
  message->stdin_fd = ReopenForReading(input);
  return message->stdin_fd.valid() ? Result<void>() : base::SysError("open the job's input", errno);
}

}  // namespace

UniqueFd Memfd(const char* name) {
  return UniqueFd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

bool Seal(const UniqueFd& fd) {
  return ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
         0;
}

Result<Message> EncodeRun(const Spec& spec, const std::vector<WarmProgram>& warm) {
  Message message;
  wire::Request& r = message.request;
  r.version = wire::kVersion;
  r.type = static_cast<uint32_t>(wire::RequestType::kRun);
  r.profile = static_cast<uint32_t>(spec.profile);
  r.limits = {spec.limits.wall_time, spec.limits.cpu_time,   spec.limits.memory_bytes,
              spec.limits.processes, spec.limits.file_bytes, spec.limits.open_files};
  r.collect_bytes = spec.collect_bytes;
  if (spec.argv.empty() || spec.collect.size() > r.collect.size()) {
    return base::InvalidArgument("a run needs argv and at most " +
                                 std::to_string(r.collect.size()) + " files to collect");
  }
  for (const std::string& path : spec.collect) {
    if (!CopyName(path, &r.collect[r.collect_count++])) {
      return base::InvalidArgument("the name of a file to collect is too long");
    }
  }
  r.warm = WarmNumber(spec, warm);
  PayloadWriter payload;
  if (auto put = PutCommand(spec.argv, spec.env, spec.files.size(), &payload); !put) {
    return put.error();
  }
  for (const InputFile& file : spec.files) {
    int32_t index = -1;
    if (file.fd != nullptr) {
      index = static_cast<int32_t>(message.files.size());
      message.files.push_back(file.fd);
    }
    payload.Put(wire::PayloadFile{file.executable ? 1U : 0U, index, file.content.size()});
    payload.PutString(file.path);
    if (index < 0) {
      payload.PutBytes(file.content);
    }
  }
  if (message.files.size() > wire::kMaxFileFds ||
      payload.bytes().size() > static_cast<size_t>(wire::kMaxPayload)) {
    return base::InvalidArgument("the input files are too many or too large");
  }
  message.payload = WritePayload(payload);
  if (!message.payload.valid()) {
    return base::SysError("write the job's input", errno);
  }
  r.detail = static_cast<uint32_t>(InputOf(spec));
  r.rows = spec.terminal ? spec.terminal->rows : 0;
  r.cols = spec.terminal ? spec.terminal->cols : 0;
  if (auto made = MakeInput(spec, &message); !made) {
    return made.error();
  }
  return message;
}

Message EncodeWord(wire::RequestType type, uint64_t id, uint32_t detail) {
  Message message;
  message.request.version = wire::kVersion;
  message.request.type = static_cast<uint32_t>(type);
  message.request.id = id;
  message.request.detail = detail;
  return message;
}

Result<UniqueFd> EncodeCommand(const std::vector<std::string>& argv,
                               const std::vector<std::pair<std::string, std::string>>& env) {
  PayloadWriter payload;
  if (auto put = PutCommand(argv, env, 0, &payload); !put) {
    return put.error();
  }
  UniqueFd fd = WritePayload(payload);
  if (!fd.valid()) {
    return base::SysError("write the command of a warm program", errno);
  }
  return fd;
}

}  // namespace sandbox
