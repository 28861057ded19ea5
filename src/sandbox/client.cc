#include "sandbox/client.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/cause.h"
#include "sandbox/outputs.h"
#include "sandbox/pool_metrics.h"
#include "sandbox/wire.h"

namespace sandbox {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::Result;
using base::UniqueFd;

constexpr int kReadyDeadlineMs = 120'000;
constexpr auto kMetricsDeadline = std::chrono::milliseconds(900);

template <typename Name>
bool CopyName(const std::string& text, Name* name) {
  if (text.size() >= name->size() || text.find('\0') != std::string::npos) {
    return false;
  }
  std::memcpy(name->data(), text.c_str(), text.size() + 1);
  return true;
}

UniqueFd Memfd(const char* name) {
  return UniqueFd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

bool Seal(const UniqueFd& fd) {
  return ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
         0;
}

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

// Whether CPython, when it starts, would take the source for an archive of modules to run: it looks
// for that at the path, before it opens the file.
bool LooksLikeArchive(const std::string& content) {
  return content.find("PK\x05\x06") != std::string::npos;
}

// Node.js has looked for this before it opens the source; it tells how that is to be read.
bool IsPackage(const InputFile& file) {
  return file.path == "package.json";
}

bool Contains(const std::vector<std::string>& modules, std::string_view name) {
  return std::find(modules.begin(), modules.end(), name) != modules.end();
}

// Whether a line of Python's begins with an import of one of these. What is imported in other ways
// is only slower.
bool ImportsAny(std::string_view source, const std::vector<std::string>& modules) {
  constexpr std::string_view kSpace = " \t";
  while (!source.empty()) {
    std::string_view line = source.substr(0, source.find('\n'));
    source.remove_prefix(std::min(line.size() + 1, source.size()));
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    if (!line.starts_with("import ") && !line.starts_with("from ")) {
      continue;
    }
    const bool one = line.starts_with("from ");
    line.remove_prefix(line.find(' ') + 1);
    while (!line.empty()) {
      line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
      if (Contains(modules, line.substr(0, line.find_first_of(" \t.,;\r")))) {
        return true;
      }
      line.remove_prefix(one ? line.size() : std::min(line.find(','), line.size() - 1) + 1);
    }
  }
  return false;
}

// Whether a file of the work folder is a module or package that Python would find before its own.
bool IsModule(const std::string& path, const std::vector<std::string>& modules) {
  return Contains(modules, std::string_view(path).substr(0, path.find_first_of("./")));
}

// A process that was forked ahead holds about this much already, and memory for a job that has less
// is counted from its first page. One that was started ahead holds all that its start takes,
// threads too.
constexpr int64_t kLeastForkedMemory = 32 << 20;
constexpr int64_t kLeastStartedMemory = 128 << 20;
constexpr int64_t kLeastStartedProcesses = 16;

bool HasRoom(const Limits& limits, const WarmProgram& program) {
  return program.forks ? limits.memory_bytes >= kLeastForkedMemory
                       : limits.memory_bytes >= kLeastStartedMemory &&
                             limits.processes >= kLeastStartedProcesses;
}

// 1 + the number of the warm program that the run may start in, 0 for none.
uint32_t WarmNumber(const Spec& spec, const std::vector<WarmProgram>& programs) {
  uint32_t number = 0;
  for (size_t i = 0; i < programs.size() && !spec.terminal; ++i) {
    const WarmProgram& program = programs[i];
    // Python has looked at its stdin, which was a file.
    const bool fits = !(spec.live_input && program.forks) && HasRoom(spec.limits, program);
    const auto is_source = [&](const InputFile& file) {
      return file.path == program.source && file.fd == nullptr && !LooksLikeArchive(file.content) &&
             (program.imports.empty() || ImportsAny(file.content, program.imports));
    };
    const auto shadows = [&](const InputFile& file) {
      return IsModule(file.path, program.preload) || (!program.forks && IsPackage(file));
    };
    if (spec.profile == Profile::kRun && fits && spec.argv == program.argv &&
        spec.env == program.env && std::any_of(spec.files.begin(), spec.files.end(), is_source) &&
        std::none_of(spec.files.begin(), spec.files.end(), shadows)) {
      number = static_cast<uint32_t>(i) + 1;
    }
  }
  return number;
}

struct Message {
  wire::Request request{};
  UniqueFd payload;
  UniqueFd stdin_fd;  // or the socket over which the terminal's master comes; then that is all
  UniqueFd stdout_fd;
  UniqueFd stderr_fd;
  UniqueFd input;  // the other end, when the input is live
  std::vector<std::shared_ptr<UniqueFd>> files;
};

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

Result<Message> Encode(const Spec& spec, const std::vector<WarmProgram>& warm) {
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
  message.payload = Memfd("payload");
  if (!message.payload.valid() ||
      !linux::WriteAll(message.payload.get(), payload.bytes().data(), payload.bytes().size()) ||
      !Seal(message.payload)) {
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

// Copies a collected file out of the dead sandbox's memory, so that its pages are freed.
std::shared_ptr<UniqueFd> CopyCollected(const UniqueFd& source, int64_t size) {
  auto copy = std::make_shared<UniqueFd>(Memfd("collected"));
  off_t offset = 0;
  while (copy->valid() && offset < size) {
    const ssize_t n =
        ::sendfile(copy->get(), source.get(), &offset, static_cast<size_t>(size - offset));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return nullptr;
    }
  }
  return copy->valid() && Seal(*copy) ? copy : nullptr;
}

Result<std::vector<UniqueFd>> EncodeWarm(const NativeOptions& options, wire::Setup* setup) {
  if (options.warm.size() > setup->warm_sources.size()) {
    return base::InvalidArgument("more than " + std::to_string(setup->warm_sources.size()) +
                                 " programs to start ahead");
  }
  const auto programs = static_cast<uint32_t>(std::max<size_t>(1, options.warm.size()));
  setup->warm_park = std::min(options.warm_park, wire::kMaxSandboxes / (2 * programs));
  setup->warm_jobs = options.warm_jobs;
  std::vector<UniqueFd> payloads;
  for (const WarmProgram& program : options.warm) {
    PayloadWriter payload;
    if (auto put = PutCommand(program.argv, program.env, 0, &payload); !put) {
      return put.error();
    }
    std::string preload;
    for (const std::string& module : program.preload) {
      preload += (preload.empty() ? "" : ",") + module;
    }
    const uint32_t number = setup->warm_count++;
    if (!CopyName(program.source, &setup->warm_sources[number]) ||
        !CopyName(preload, &setup->warm_preloads[number])) {
      return base::InvalidArgument("the source of a warm program or its modules are too long");
    }
    setup->warm_forks[number] = program.forks ? 1 : 0;
    UniqueFd& fd = payloads.emplace_back(Memfd("payload"));
    if (!fd.valid() || !linux::WriteAll(fd.get(), payload.bytes().data(), payload.bytes().size()) ||
        !Seal(fd)) {
      return base::SysError("write the command of a warm program", errno);
    }
  }
  return payloads;
}

// The names of files that patterns match are the job's: only text is repeated.
bool IsPlainName(const std::string& path) {
  return base::IsValidUtf8(path) && !base::HasControlCharacters(path);
}

// `collected` holds the paths that were asked for, which come first in the reply. False when a file
// has to be left out.
bool TakeFiles(const wire::Reply& reply, std::vector<UniqueFd> files,
               std::vector<CollectedFile>* collected) {
  const size_t asked = collected->size();
  bool all = true;
  size_t next = 0;
  for (size_t i = 0; i < reply.collected.size() && i < reply.collect_count; ++i) {
    const wire::CollectedFile& answer = reply.collected[i];
    CollectedFile file;
    if (i < asked) {
      file.path = (*collected)[i].path;
    } else {
      file.path.assign(answer.path.data(), ::strnlen(answer.path.data(), answer.path.size()));
    }
    if (answer.error != 0) {
      file.error = CollectError(answer.error);
    } else if (next < files.size()) {
      file.size = answer.size;
      file.fd = CopyCollected(files[next++], answer.size);
      file.error = file.fd == nullptr ? "could not be copied" : "";
    }
    if (i < asked) {
      (*collected)[i] = std::move(file);
    } else if (IsPlainName(file.path)) {
      collected->push_back(std::move(file));
    } else {
      all = false;
    }
  }
  return all;
}

LiveUsage ToUsage(const wire::Reply& reply) {
  const auto known = [](int64_t value) {
    return value < 0 ? std::nullopt : std::optional<int64_t>(value);
  };
  return {reply.wall_time, known(reply.cpu_time), known(reply.memory_bytes),
          known(reply.memory_peak_bytes), known(reply.processes)};
}

// In the words of docs/security.md, "Isolation levels".
std::vector<std::string> NotLimited(const std::string& isolation, bool root) {
  std::vector<std::string> out;
  if (isolation == "no-cgroup") {
    out = {
        "memory: each process's private memory is bounded, a job's processes together and memory "
        "that they share are not",
        "cpu_time: bounded for each process, not for a job's processes together",
        "usage: figures are those of the main process and the children that it waited for",
    };
  }
  if (!root) {
    out.emplace_back(
        "kernel counters by user (pipe pages, pending signals, message queues, inotify): all jobs "
        "share one host user");
  }
  return out;
}

}  // namespace

Result<Launcher> StartLauncher(const NativeOptions& options, const Filters& filters) {
  wire::Setup setup{};
  setup.version = wire::kVersion;
  setup.min_isolation =
      static_cast<uint32_t>(options.min_isolation == "full"       ? wire::Isolation::kFull
                            : options.min_isolation == "rootless" ? wire::Isolation::kRootless
                                                                  : wire::Isolation::kNoCgroup);
  setup.uid_base = options.uid_base;
  setup.park = options.park;
  setup.cpus = options.cpus;
  if (options.mounts.size() > setup.mounts.size()) {
    return base::InvalidArgument("too many read-only folders for sandboxes");
  }
  for (const ReadOnlyMount& mount : options.mounts) {
    wire::Mount& slot = setup.mounts[setup.mount_count++];
    if (!CopyName(mount.source, &slot.source) || !CopyName(mount.target, &slot.target)) {
      return base::InvalidArgument("the path " + mount.source + " is too long");
    }
  }
  if (!CopyName(options.root, &setup.root)) {
    return base::InvalidArgument("the path " + options.root + " is too long");
  }
  auto payloads = EncodeWarm(options, &setup);
  if (!payloads) {
    return payloads.error();
  }
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return base::SysError("socketpair", errno);
  }
  Launcher launcher;
  launcher.socket.reset(pair[0]);
  UniqueFd theirs(pair[1]);
  if (theirs.get() == 3) {  // dup2 onto itself would keep close-on-exec
    theirs.reset(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10));
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), 3);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  std::string name = "sandbox-launcher";
  std::array<char*, 2> argv = {name.data(), nullptr};
  std::array<char*, 1> envp = {nullptr};
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, options.launcher.c_str(), &actions, nullptr, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return base::SysError("start " + options.launcher, error);
  }
  theirs.reset();
  launcher.process.reset(linux::PidfdOpen(pid));
  std::vector<int> fds;
  for (const UniqueFd& filter : filters) {
    fds.push_back(filter.get());
  }
  for (const UniqueFd& payload : *payloads) {
    fds.push_back(payload.get());
  }
  wire::Ready ready{};
  std::array<int, linux::kMaxMessageFds> none{};
  int none_count = 0;
  pollfd polled{launcher.socket.get(), POLLIN, 0};
  if (!linux::SendMessage(launcher.socket.get(), &setup, sizeof(setup), fds.data(),
                          static_cast<int>(fds.size())) ||
      ::poll(&polled, 1, kReadyDeadlineMs) != 1 ||
      linux::ReceiveMessage(launcher.socket.get(), &ready, sizeof(ready), none.data(),
                            &none_count) != sizeof(ready) ||
      ready.version != wire::kVersion) {
    return base::Internal(
        "sandbox-launcher did not start: it ended or did not answer in time (see its output "
        "above)");
  }
  ready.message.back() = '\0';
  if (ready.ok == 0) {
    return Error{base::ErrorKind::kUnavailable,
                 std::string("the sandbox cannot be used: ") + ready.message.data(), 0};
  }
  static constexpr std::array<const char*, 3> kLevels = {"no-cgroup", "rootless", "full"};
  launcher.isolation = kLevels[std::min<size_t>(ready.isolation, 2)];
  launcher.warm = options.warm;
  launcher.not_limited = NotLimited(launcher.isolation, ::geteuid() == 0);
  launcher.detail =
      "cgroup " +
      (ready.cgroup_version == 0 ? "none" : "v" + std::to_string(ready.cgroup_version)) +
      ", landlock " +
      (ready.landlock_abi == 0 ? "none" : "abi " + std::to_string(ready.landlock_abi));
  if (ready.message[0] != '\0') {
    launcher.detail += std::string(", ") + ready.message.data();
  }
  return launcher;
}

namespace {

void SetSize(int terminal, TerminalSize size) {
  const winsize wanted{size.rows, size.cols, 0, 0};
  ::ioctl(terminal, TIOCSWINSZ, &wanted);
}

// The master that pid 1 of the sandbox sends ahead of the program's start; none when it has failed.
UniqueFd ReceiveTerminal(int socket) {
  char made = 0;
  std::array<int, linux::kMaxMessageFds> fds{};
  int count = 0;
  if (linux::ReceiveMessage(socket, &made, sizeof(made), fds.data(), &count, MSG_DONTWAIT) < 0) {
    return {};
  }
  UniqueFd master;
  for (int i = 0; i < count; ++i) {
    master.reset(fds[static_cast<size_t>(i)]);
  }
  return master;
}

// One run, from Start to on_done. Owned by the backend's map and by the handlers of its pipes.
struct Run : std::enable_shared_from_this<Run> {
  struct Pipe {
    explicit Pipe(asio::io_context& loop) : descriptor(loop) {}

    asio::posix::stream_descriptor descriptor;
    std::string data;
    bool truncated = false;
    bool ended = false;
    std::array<char, 65536> buffer{};
  };

  struct Piece {
    std::string data;
    std::function<void()> done;
  };

  explicit Run(asio::io_context& loop) : out(loop), err(loop), in(loop) {}

  uint64_t id = 0;
  Backend::OnOutput on_output;
  Backend::OnDone on_done;
  Backend::OnUsage on_usage;
  int64_t output_limit = 0;
  base::Nanos started = 0;
  Pipe out;
  Pipe err;
  asio::posix::stream_descriptor in;  // open while its program may have more input
  std::deque<Piece> input;            // the first is being written, unless a terminal is awaited
  bool input_ends = false;            // after these
  bool awaits_terminal = false;       // `out` is the socket over which it comes
  std::optional<TerminalSize> size;   // that it is to have then, when it is not the first
  bool answered = false;
  RunResult result;
};

class NativeBackend final : public Backend,
                            public LiveInput,
                            public std::enable_shared_from_this<NativeBackend> {
 public:
  NativeBackend(asio::io_context& loop, Launcher launcher, std::function<void()> lost)
      : loop_(loop),
        isolation_(std::move(launcher.isolation)),
        warm_(std::move(launcher.warm)),
        lost_(std::move(lost)),
        metrics_(Names(warm_)),
        metrics_deadline_(loop),
        socket_(loop, launcher.socket.release()) {}

  void Begin() { WaitForReply(); }

  void Shut() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    for (const auto& [id, run] : runs_) {
      run->out.descriptor.close(ignored);
      run->err.descriptor.close(ignored);
      run->in.close(ignored);
    }
    runs_.clear();
  }

  std::string_view isolation() const override { return isolation_; }

  uint32_t quarantined() const override { return quarantined_; }

  // As many as ask meanwhile share the answer.
  void FreshenMetrics(std::function<void()> done) override {
    if (!waiting_.empty()) {
      return done();  // the launcher is behind: nothing more is piled up
    }
    want_metrics_.push_back(std::move(done));
    if (want_metrics_.size() > 1) {
      return;
    }
    metrics_deadline_.expires_after(kMetricsDeadline);
    metrics_deadline_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self != nullptr && !error) {
        self->MetricsAreFresh();
      }
    });
    Tell(wire::RequestType::kPool, wire::kNoRun, 0);
  }

  RunId Start(Spec spec, OnOutput on_output, OnDone on_done) override {
    auto run = std::make_shared<Run>(loop_);
    run->id = ++last_id_;
    run->on_output = std::move(on_output);
    run->on_done = std::move(on_done);
    run->output_limit = spec.limits.output_bytes;
    run->started = base::MonotonicNow();
    for (const std::string& path : spec.collect) {
      if (!IsPattern(path.c_str())) {
        run->result.collected.push_back({path, 0, nullptr, "not collected"});
      }
    }
    runs_[run->id] = run;
    if (auto sent = Send(*run, spec); !sent) {
      asio::post(loop_, [self = shared_from_this(), id = run->id, message = sent.error().message] {
        self->Finish(id, Cause::kInternal, message);
      });
    }
    return run->id;
  }

  void Cancel(RunId id) override {
    if (runs_.count(id) != 0) {
      Kill(id, wire::KillReason::kCancel);
    }
  }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->on_usage = std::move(on_usage);
    }
  }

  LiveInput& live_input() override { return *this; }

  void Write(uint64_t id, std::string data, std::function<void()> done) override {
    const auto run = runs_.find(id);
    if (run == runs_.end() || !(run->second->in.is_open() || run->second->awaits_terminal)) {
      asio::post(loop_, std::move(done));
      return;
    }
    run->second->input.push_back({std::move(data), std::move(done)});
    if (run->second->input.size() == 1 && !run->second->awaits_terminal) {
      Feed(run->second);
    }
  }

  void CloseInput(uint64_t id) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->input_ends = true;
      if (run->second->input.empty()) {
        EndInput(*run->second);
      }
    }
  }

  void Resize(uint64_t id, TerminalSize size) override {
    const auto run = runs_.find(id);
    if (run != runs_.end() && run->second->awaits_terminal) {
      run->second->size = size;
    } else if (run != runs_.end() && run->second->in.is_open()) {
      SetSize(run->second->in.native_handle(), size);  // ENOTTY, should it be a pipe
    }
  }

  void Signal(uint64_t id, int signal) override {
    // One that would have to wait is lost: so their number is bounded, too.
    if (runs_.count(id) != 0 && waiting_.empty()) {
      Tell(wire::RequestType::kSignal, id, static_cast<uint32_t>(signal));
    }
  }

 private:
  static std::vector<std::string> Names(const std::vector<WarmProgram>& warm) {
    std::vector<std::string> names;
    for (const WarmProgram& program : warm) {
      names.push_back(program.name);
    }
    return names;
  }

  void MetricsAreFresh() {
    metrics_deadline_.cancel();
    for (const auto& done : std::exchange(want_metrics_, {})) {
      done();
    }
  }

  Result<void> Send(Run& run, const Spec& spec) {
    auto message = Encode(spec, warm_);
    if (!message) {
      return message.error();
    }
    message->request.id = run.id;
    if (spec.terminal) {
      run.awaits_terminal = true;
      run.err.ended = true;  // there is none
      run.out.descriptor.assign(message->input.release());
      Post(*std::move(message));
      AwaitTerminal(run.shared_from_this());
      if (!spec.stdin_data.empty()) {
        Write(run.id, spec.stdin_data, [] {});
      }
      return {};
    }
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    if (::pipe2(out.data(), O_CLOEXEC) != 0) {
      return base::SysError("pipe", errno);
    }
    UniqueFd out_read(out[0]);
    message->stdout_fd.reset(out[1]);
    if (::pipe2(err.data(), O_CLOEXEC) != 0) {
      return base::SysError("pipe", errno);
    }
    UniqueFd err_read(err[0]);
    message->stderr_fd.reset(err[1]);
    // The program runs as another user: so that it can also open its streams by name (/dev/stdout).
    if (::fchmod(message->stdout_fd.get(), 0622) != 0 ||
        ::fchmod(message->stderr_fd.get(), 0622) != 0) {
      return base::SysError("open a stream for writing", errno);
    }
    UniqueFd input = std::move(message->input);
    Post(std::move(*message));
    run.out.descriptor.assign(out_read.release());
    run.err.descriptor.assign(err_read.release());
    Read(run.shared_from_this(), &run.out, Stream::kStdout);
    Read(run.shared_from_this(), &run.err, Stream::kStderr);
    if (spec.live_input) {
      run.in.assign(input.release());
      if (!spec.stdin_data.empty()) {
        Write(run.id, spec.stdin_data, [] {});
      }
    }
    return {};
  }

  void AwaitTerminal(const std::shared_ptr<Run>& run) {
    run->out.descriptor.async_wait(
        asio::posix::stream_descriptor::wait_read,
        [weak = weak_from_this(), run](const boost::system::error_code& error) {
          const auto self = weak.lock();
          if (self != nullptr && !error) {
            self->TakeTerminal(run);
          }
        });
  }

  // It is read by one descriptor and written by another.
  void TakeTerminal(const std::shared_ptr<Run>& run) {
    UniqueFd master = ReceiveTerminal(run->out.descriptor.native_handle());
    UniqueFd writable(master.valid() ? ::fcntl(master.get(), F_DUPFD_CLOEXEC, 3) : -1);
    boost::system::error_code ignored;
    run->out.descriptor.close(ignored);
    run->awaits_terminal = false;
    if (!writable.valid()) {  // the launcher's reply says why, or has said it
      run->out.ended = true;
      DropInput(run.get());
      return MaybeDone(run);
    }
    if (run->size) {
      SetSize(master.get(), *run->size);
    }
    run->out.descriptor.assign(master.release());
    run->in.assign(writable.release());
    Read(run, &run->out, Stream::kStdout);
    if (!run->input.empty()) {
      Feed(run);
    } else if (run->input_ends) {
      EndInput(*run);
    }
  }

  // What waits for a terminal that will never be.
  static void DropInput(Run* run) {
    for (const Run::Piece& piece : std::exchange(run->input, {})) {
      piece.done();
    }
  }

  // Writes the first piece, then those behind it. A program that has ended or does not want its
  // input any more takes nothing: what is left is dropped.
  static void Feed(const std::shared_ptr<Run>& run) {
    asio::async_write(run->in, asio::buffer(run->input.front().data),
                      [run](const boost::system::error_code& error, size_t) {
                        std::deque<Run::Piece> over;
                        if (error) {
                          EndInput(*run);
                          over.swap(run->input);
                        } else {
                          over.push_back(std::move(run->input.front()));
                          run->input.pop_front();
                        }
                        if (!run->input.empty()) {
                          Feed(run);
                        } else if (run->input_ends) {
                          EndInput(*run);
                        }
                        for (const Run::Piece& piece : over) {
                          piece.done();  // may hand in the next
                        }
                      });
  }

  static void EndInput(Run& run) {
    boost::system::error_code ignored;
    run.in.close(ignored);
  }

  void Kill(uint64_t id, wire::KillReason reason) {
    Tell(wire::RequestType::kKill, id, static_cast<uint32_t>(reason));
  }

  void Tell(wire::RequestType type, uint64_t id, uint32_t detail) {
    Message message;
    message.request.version = wire::kVersion;
    message.request.type = static_cast<uint32_t>(type);
    message.request.id = id;
    message.request.detail = detail;
    Post(std::move(message));
  }

  // The launcher reads at once, but many may come in a moment: those that find the socket full
  // wait, in their order. Their number is bounded by that of the runs.
  void Post(Message message) {
    waiting_.push_back(std::move(message));
    if (waiting_.size() == 1) {
      SendWaiting();
    }
  }

  void SendWaiting() {
    for (; !waiting_.empty(); waiting_.pop_front()) {
      if (SendNow(waiting_.front())) {
        continue;
      }
      if (errno == EAGAIN) {
        socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                           [weak = weak_from_this()](const boost::system::error_code& error) {
                             const auto self = weak.lock();
                             if (self != nullptr && !error) {
                               self->SendWaiting();
                             }
                           });
        return;
      }
      asio::post(loop_, [self = shared_from_this(), id = waiting_.front().request.id,
                         message = base::SysError("send to sandbox-launcher", errno).message] {
        self->Finish(id, Cause::kInternal, message);
      });
    }
  }

  // False with errno.
  bool SendNow(const Message& message) {
    std::array<int, wire::kMaxFds> fds{};
    int count = 0;
    for (const UniqueFd* fd :
         {&message.payload, &message.stdin_fd, &message.stdout_fd, &message.stderr_fd}) {
      if (fd->valid()) {
        fds[static_cast<size_t>(count++)] = fd->get();
      }
    }
    for (const auto& file : message.files) {
      fds[static_cast<size_t>(count++)] = file->get();
    }
    return linux::SendMessage(socket_.native_handle(), &message.request,
                              wire::SizeOf(message.request), fds.data(), count, MSG_DONTWAIT);
  }

  void Read(std::shared_ptr<Run> run, Run::Pipe* pipe, Stream stream) {
    pipe->descriptor.async_read_some(asio::buffer(pipe->buffer),
                                     [weak = weak_from_this(), run, pipe, stream](
                                         const boost::system::error_code& error, size_t n) {
                                       const auto self = weak.lock();
                                       if (self == nullptr) {
                                         return;
                                       }
                                       if (error) {
                                         pipe->ended = true;
                                         self->MaybeDone(run);
                                         return;
                                       }
                                       self->Take(*run, *pipe, stream, n);
                                       self->Read(run, pipe, stream);
                                     });
  }

  void Take(Run& run, Run::Pipe& pipe, Stream stream, size_t n) {
    const size_t room = static_cast<size_t>(run.output_limit) - pipe.data.size();
    const std::string_view kept(pipe.buffer.data(), std::min(n, room));
    pipe.data.append(kept);
    if (!kept.empty() && run.on_output) {
      run.on_output(stream, kept);
    }
    if (n > room && !pipe.truncated) {
      pipe.truncated = true;
      Kill(run.id, wire::KillReason::kOutputLimit);
    }
  }

  void WaitForReply() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (self != nullptr && !error && self->ReceiveReplies()) {
                           self->WaitForReply();
                         }
                       });
  }

  // False when the launcher is gone.
  bool ReceiveReplies() {
    for (;;) {
      wire::Reply reply{};
      std::array<int, linux::kMaxMessageFds> fds{};
      int count = 0;
      const ssize_t n = linux::ReceiveMessage(socket_.native_handle(), &reply, sizeof(reply),
                                              fds.data(), &count, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) {
        return true;
      }
      std::vector<UniqueFd> files;
      for (int i = 0; i < count; ++i) {
        files.emplace_back(fds[static_cast<size_t>(i)]);
      }
      if (reply.type == static_cast<uint32_t>(wire::ReplyType::kPool) && OnPool(reply, n)) {
        continue;
      }
      if (n != static_cast<ssize_t>(wire::SizeOf(reply)) || reply.version != wire::kVersion ||
          reply.type != static_cast<uint32_t>(wire::ReplyType::kRun)) {
        Lose();
        return false;
      }
      OnReply(reply, std::move(files));
    }
  }

  // What has arrived in the place of a reply. False when it is not sound.
  bool OnPool(const wire::Reply& arrived, ssize_t size) {
    static_assert(sizeof(wire::PoolReport) <= sizeof(arrived));
    wire::PoolReport report;
    std::memcpy(&report, &arrived, sizeof(report));
    if (size < 0 || !metrics_.Take(report, static_cast<size_t>(size))) {
      return false;
    }
    MetricsAreFresh();
    return true;
  }

  void Lose() {
    base::Log(base::LogLevel::kError, "sandbox-launcher has ended");
    MetricsAreFresh();
    std::vector<uint64_t> ids;
    for (const auto& [id, run] : runs_) {
      ids.push_back(id);
    }
    for (const uint64_t id : ids) {
      Finish(id, Cause::kInternal, "sandbox-launcher has ended");
    }
    if (lost_) {
      lost_();
    }
  }

  void OnReply(const wire::Reply& reply, std::vector<UniqueFd> files) {
    quarantined_ = reply.quarantined;
    const auto found = runs_.find(reply.id);
    if (found == runs_.end()) {
      return;
    }
    const std::shared_ptr<Run> run = found->second;
    if ((reply.flags & wire::kStillRuns) != 0) {
      if (const OnUsage on_usage = run->on_usage) {
        on_usage(ToUsage(reply));
      }
      return;
    }
    RunResult& result = run->result;
    result.cause = CauseOf(reply.flags, reply.wait_status);
    if ((reply.flags & wire::kHasStatus) != 0) {
      result.exit_code = WIFEXITED(reply.wait_status) ? WEXITSTATUS(reply.wait_status) : 0;
      result.signal = WIFSIGNALED(reply.wait_status) ? WTERMSIG(reply.wait_status) : 0;
    }
    if (result.cause == Cause::kInternal) {
      result.message = std::string(wire::StepName(static_cast<wire::Step>(reply.step)));
      if (reply.error != 0) {
        result.message += ": " + std::generic_category().message(reply.error);
      }
    }
    result.usage.wall_time = reply.wall_time;
    result.usage.cpu_time = reply.cpu_time;
    result.usage.memory_peak_bytes = reply.memory_peak_bytes;
    result.usage.processes_peak = reply.processes_peak;
    result.usage.process_limit_hit = (reply.flags & wire::kHitProcessLimit) != 0;
    result.start_time =
        reply.started_at == 0 ? 0 : std::max<int64_t>(0, reply.started_at - run->started);
    const bool all = TakeFiles(reply, std::move(files), &result.collected);
    result.more_files = !all || (reply.flags & wire::kMoreFiles) != 0;
    run->answered = true;
    if (reply.step == static_cast<uint32_t>(wire::Step::kKillAll)) {
      // Processes that could not be killed hold the pipes' other ends.
      std::string message = result.message;
      return Finish(run->id, result.cause, std::move(message));
    }
    MaybeDone(run);
  }

  // The reply says that every writer is dead, so the pipes end as soon as they are read empty.
  void MaybeDone(const std::shared_ptr<Run>& run) {
    if (run->answered && run->out.ended && run->err.ended) {
      Finish(run->id, run->result.cause, run->result.message);
    }
  }

  void Finish(uint64_t id, Cause cause, std::string message) {
    const auto found = runs_.find(id);
    if (found == runs_.end()) {
      return;
    }
    const std::shared_ptr<Run> run = found->second;
    runs_.erase(found);
    boost::system::error_code ignored;
    run->out.descriptor.close(ignored);
    run->err.descriptor.close(ignored);
    run->in.close(ignored);
    if (std::exchange(run->awaits_terminal, false)) {
      DropInput(run.get());
    }
    RunResult result = std::move(run->result);
    result.cause = cause;
    result.message = std::move(message);
    // Output beyond the limit that arrived after the program had already exited is the same
    // verdict.
    const bool over = run->out.truncated || run->err.truncated;
    if (over && static_cast<int>(result.cause) > static_cast<int>(Cause::kOutputLimit)) {
      result.cause = Cause::kOutputLimit;
    }
    result.stdout_data = std::move(run->out.data);
    result.stderr_data = std::move(run->err.data);
    result.stdout_truncated = run->out.truncated;
    result.stderr_truncated = run->err.truncated;
    const OnDone on_done = std::move(run->on_done);
    on_done(std::move(result));
  }

  asio::io_context& loop_;
  std::string isolation_;
  std::vector<WarmProgram> warm_;
  std::function<void()> lost_;
  PoolMetrics metrics_;
  std::vector<std::function<void()>> want_metrics_;
  asio::steady_timer metrics_deadline_;
  asio::posix::stream_descriptor socket_;
  std::map<uint64_t, std::shared_ptr<Run>> runs_;
  std::deque<Message> waiting_;  // to be sent
  uint64_t last_id_ = 0;
  uint32_t quarantined_ = 0;
};

// Ends the shared state with its owner, so that no handler of the loop touches a dead backend.
class NativeHandle final : public Backend {
 public:
  explicit NativeHandle(std::shared_ptr<NativeBackend> backend) : backend_(std::move(backend)) {
    backend_->Begin();
  }

  NativeHandle(const NativeHandle&) = delete;
  NativeHandle& operator=(const NativeHandle&) = delete;

  ~NativeHandle() override { backend_->Shut(); }

  RunId Start(Spec spec, OnOutput on_output, OnDone on_done) override {
    return backend_->Start(std::move(spec), std::move(on_output), std::move(on_done));
  }

  void Cancel(RunId id) override { backend_->Cancel(id); }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    backend_->WatchUsage(id, std::move(on_usage));
  }

  LiveInput& live_input() override { return *backend_; }

  std::string_view isolation() const override { return backend_->isolation(); }

  uint32_t quarantined() const override { return backend_->quarantined(); }

  void FreshenMetrics(std::function<void()> done) override {
    backend_->FreshenMetrics(std::move(done));
  }

 private:
  std::shared_ptr<NativeBackend> backend_;
};

}  // namespace

std::unique_ptr<Backend> MakeNativeBackend(asio::io_context& loop, Launcher launcher,
                                           std::function<void()> lost) {
  ::signal(SIGPIPE, SIG_IGN);  // a program that is fed may end at any time
  return std::make_unique<NativeHandle>(
      std::make_shared<NativeBackend>(loop, std::move(launcher), std::move(lost)));
}

}  // namespace sandbox
