// What a taken-over sandboxd could send: every message here is hostile, and speaks to the real
// launcher. After each it must be alive, have refused what it must, run an honest job, and hold
// neither a descriptor nor a cgroup more than before.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <sstream>
#include <string>

#include "linux/message.h"
#include "sandbox/client.h"
#include "sandbox/wire.h"

namespace sandbox {
namespace {

using base::UniqueFd;
using wire::Reply;
using wire::Request;
namespace fs = std::filesystem;

constexpr int kDeadlineMs = 30'000;

UniqueFd Memfd(const std::string& content, bool seal = true) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::write(fd.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  if (seal) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
  }
  return fd;
}

std::string Payload(const std::vector<std::string>& argv) {
  std::string out;
  const auto put = [&](const auto& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  put(wire::PayloadHeader{wire::kPayloadMagic, static_cast<uint32_t>(argv.size()), 0, 0});
  for (const std::string& arg : argv) {
    put(static_cast<uint32_t>(arg.size()));
    out += arg + '\0';
  }
  return out;
}

template <typename T>
void SetName(T* name, const std::string& text) {
  name->fill('x');
  std::memcpy(name->data(), text.data(), std::min(text.size(), name->size()));
  if (text.size() < name->size()) {
    (*name)[text.size()] = '\0';
  }
}

class LauncherAbuse : public ::testing::Test {
 protected:
  void SetUp() override {
    auto filters = CompileFilters(std::string(SOURCE_DIR) + "/config/seccomp");
    ASSERT_TRUE(filters) << filters.error().message;
    NativeOptions options;
    options.launcher = LAUNCHER_PATH;
    options.min_isolation = "no-cgroup";
    options.park = 0;  // nothing is held between jobs, so that leftovers can be counted
    auto launcher = StartLauncher(options, *filters);
    ASSERT_TRUE(launcher) << launcher.error().message;
    launcher_ = std::move(*launcher);
    std::ifstream info("/proc/self/fdinfo/" + std::to_string(launcher_.process.get()));
    for (std::string word; info >> word && word != "Pid:";) {
    }
    info >> pid_;
    ASSERT_GT(pid_, 0);
    fds_ = CountFds();
    ASSERT_GT(fds_, 3);
    ASSERT_EQ(CountCgroups(), 0);
    payload_ = Memfd(Payload({"/bin/sh", "-c", "read x; echo $x"}));
    stdin_ = Memfd("hello\n");
    OpenPipes();
  }

  // The invariants.
  void TearDown() override {
    if (pid_ <= 0 || ended_) {
      return;
    }
    Drain();
    OpenPipes();
    const Reply reply = Ask(Honest(999'999), Standard());
    EXPECT_EQ(reply.flags, uint32_t{wire::kHasStatus}) << wire::StepName(wire::Step{reply.step});
    EXPECT_EQ(reply.wait_status, 0);
    EXPECT_TRUE(Eventually([&] { return CountFds() == fds_ && CountCgroups() == 0; }))
        << CountFds() << " descriptors instead of " << fds_ << ", " << CountCgroups() << " cgroups";
  }

  void OpenPipes() {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    out_read_.reset(fds[0]);
    out_write_.reset(fds[1]);
  }

  static bool Eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) {
        return false;
      }
      ::poll(nullptr, 0, 5);
    }
    return true;
  }

  int CountFds() const {
    std::error_code ignored;
    int count = 0;
    for (const auto& entry :
         fs::directory_iterator("/proc/" + std::to_string(pid_) + "/fd", ignored)) {
      count += entry.path().empty() ? 0 : 1;
    }
    return count;
  }

  // Folders of sandboxes below this launcher's own folder, which is named after it.
  int CountCgroups() const {
    int count = 0;
    std::error_code ignored;
    for (const std::string& folder : CgroupFolders()) {
      for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        count += entry.is_directory(ignored) ? 1 : 0;
      }
    }
    return count;
  }

  std::vector<std::string> CgroupFolders() const {
    std::vector<std::string> found;
    std::ifstream mounts("/proc/self/mounts");
    const std::string prefix = "code-sandbox." + std::to_string(pid_) + ".";
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words(line);
      std::string source;
      std::string target;
      std::string type;
      words >> source >> target >> type;
      if (!type.starts_with("cgroup")) {
        continue;
      }
      std::error_code ignored;
      for (auto at = fs::recursive_directory_iterator(target, ignored);
           !ignored && at != fs::recursive_directory_iterator(); at.increment(ignored)) {
        if (at->path().filename().string().starts_with(prefix)) {
          found.push_back(at->path());
          at.disable_recursion_pending();
        }
      }
    }
    return found;
  }

  static Request Honest(uint64_t id) {
    Request request{};
    request.version = wire::kVersion;
    request.type = static_cast<uint32_t>(wire::RequestType::kRun);
    request.id = id;
    request.collect_bytes = 1 << 20;
    request.limits = {10'000'000'000, 0, 64 << 20, 16, 1 << 20, 64};
    return request;
  }

  static Request OfTerminal(uint64_t id, uint32_t rows, uint32_t cols) {
    Request request = Honest(id);
    request.detail = static_cast<uint32_t>(wire::Input::kTerminal);
    request.rows = rows;
    request.cols = cols;
    return request;
  }

  std::vector<int> Standard() const {
    return {payload_.get(), stdin_.get(), out_write_.get(), out_write_.get()};
  }

  bool SendBytes(const void* data, size_t size, const std::vector<int>& fds, int flags = 0) const {
    return linux::SendMessage(launcher_.socket.get(), data, size, fds.data(),
                              static_cast<int>(fds.size()), flags);
  }

  bool Send(const Request& request, const std::vector<int>& fds, int flags = 0) const {
    return SendBytes(&request, wire::SizeOf(request), fds, flags);
  }

  // The next reply but those that tell what is used; its files are closed.
  Reply Receive(int* file_count = nullptr) const {
    Reply reply{};
    int fds[linux::kMaxMessageFds];
    int count = 0;
    pollfd polled{launcher_.socket.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&polled, 1, kDeadlineMs), 1) << "no reply";
    const ssize_t size = linux::ReceiveMessage(launcher_.socket.get(), &reply, sizeof(reply), fds,
                                               &count, MSG_DONTWAIT);
    EXPECT_EQ(size, static_cast<ssize_t>(wire::SizeOf(reply)));
    for (int i = 0; i < count; ++i) {
      ::close(fds[i]);
    }
    if (file_count != nullptr) {
      *file_count = count;
    }
    return reply.flags == wire::kStillRuns ? Receive(file_count) : reply;
  }

  wire::PoolReport ReceivePool() const {
    wire::PoolReport report{};
    int fds[linux::kMaxMessageFds];
    int count = 0;
    pollfd polled{launcher_.socket.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&polled, 1, kDeadlineMs), 1) << "no report";
    EXPECT_EQ(linux::ReceiveMessage(launcher_.socket.get(), &report, sizeof(report), fds, &count,
                                    MSG_DONTWAIT),
              static_cast<ssize_t>(sizeof(report)));
    EXPECT_EQ(report.version, wire::kVersion);
    EXPECT_EQ(report.type, static_cast<uint32_t>(wire::ReplyType::kPool));
    EXPECT_EQ(count, 0);
    return report;
  }

  Reply Ask(const Request& request, const std::vector<int>& fds, int* files = nullptr) const {
    EXPECT_TRUE(Send(request, fds));
    return Receive(files);
  }

  void ExpectRefused(const Reply& reply, uint64_t id, int error, const char* what) const {
    EXPECT_EQ(reply.id, id) << what;
    EXPECT_EQ(reply.flags, uint32_t{wire::kEndedInternal}) << what;
    EXPECT_EQ(reply.step, static_cast<uint32_t>(wire::Step::kRequest)) << what;
    EXPECT_EQ(reply.error, error) << what;
  }

  // Reads what is still on its way.
  void Drain() const {
    Reply reply{};
    int fds[linux::kMaxMessageFds];
    int count = 0;
    while (linux::ReceiveMessage(launcher_.socket.get(), &reply, sizeof(reply), fds, &count,
                                 MSG_DONTWAIT) > 0) {
      for (int i = 0; i < count; ++i) {
        ::close(fds[i]);
      }
    }
  }

  Launcher launcher_;
  int pid_ = 0;
  int fds_ = 0;
  bool ended_ = false;  // the launcher was made to end
  UniqueFd payload_;
  UniqueFd stdin_;
  UniqueFd out_read_;
  UniqueFd out_write_;
};

TEST_F(LauncherAbuse, MessagesOfTheWrongSizeOrVersionAreRefused) {
  std::vector<char> bytes(3 * sizeof(Request), '\0');
  for (const size_t size : {size_t{1}, size_t{7}, sizeof(Request) - 1}) {
    ASSERT_TRUE(SendBytes(bytes.data(), size, {}));
    ExpectRefused(Receive(), 0, EPROTO, "short");
  }
  for (const size_t size : {sizeof(Request) + 1, bytes.size()}) {
    ASSERT_TRUE(SendBytes(bytes.data(), size, Standard()));
    ExpectRefused(Receive(), 0, EMSGSIZE, "long");
  }
  for (const uint32_t version : {0U, wire::kVersion + 1, ~0U}) {
    Request request = Honest(5);
    request.version = version;
    ExpectRefused(Ask(request, Standard()), 5, EPROTO, "version");
  }
  wire::Setup setup{};
  setup.version = wire::kVersion;
  ASSERT_TRUE(SendBytes(&setup, sizeof(setup), {}));
  ExpectRefused(Receive(), 0, EMSGSIZE, "a second Setup");
}

TEST_F(LauncherAbuse, FieldsOutOfRangeAreRefused) {
  const int64_t least = INT64_MIN;
  const int64_t most = INT64_MAX;
  std::vector<Request> requests;
  const auto with = [&](const std::function<void(Request*)>& change) {
    requests.push_back(Honest(7));
    change(&requests.back());
  };
  for (const uint32_t type : {0U, 3U, 0xFFFFFFFFU}) {
    with([&](Request* r) { r->type = type; });
  }
  for (const uint32_t profile : {2U, 3U, 0xFFFFFFFFU}) {  // 2 is pid 1's own policy
    with([&](Request* r) { r->profile = profile; });
  }
  for (const uint32_t input : {3U, 0xFFFFFFFFU}) {
    with([&](Request* r) { r->detail = input; });
  }
  for (const uint32_t side : {1U, 1001U, 0xFFFFFFFFU}) {  // of no terminal
    with([&](Request* r) { r->rows = side; });
    with([&](Request* r) { r->cols = side; });
  }
  for (const uint32_t side : {0U, 1001U, 0x10001U, 0xFFFFFFFFU}) {
    with([&](Request* r) { *r = OfTerminal(7, side, 80); });
    with([&](Request* r) { *r = OfTerminal(7, 24, side); });
  }
  with([&](Request* r) {
    *r = OfTerminal(7, 24, 80);
    r->profile = static_cast<uint32_t>(wire::Policy::kCompile);
  });
  for (const int64_t bad : {least, int64_t{-1}, int64_t{0}, most}) {
    with([&](Request* r) { r->limits.wall_time = bad; });
    with([&](Request* r) { r->limits.memory_bytes = bad; });
    with([&](Request* r) { r->limits.processes = bad; });
    with([&](Request* r) { r->limits.file_bytes = bad; });
    with([&](Request* r) { r->limits.open_files = bad; });
  }
  for (const int64_t bad : {least, int64_t{-1}, most}) {
    with([&](Request* r) { r->limits.cpu_time = bad; });
    with([&](Request* r) { r->collect_bytes = bad; });
  }
  for (const uint32_t count : {uint32_t{wire::kMaxCollect} + 1, 0x80000000U, 0xFFFFFFFFU}) {
    with([&](Request* r) { r->collect_count = count; });
  }
  with([&](Request* r) {
    r->collect_count = 1;
    SetName(&r->collect[0], std::string(wire::kMaxName, 'a'));  // no NUL
  });
  // This launcher has no warm program; a compiler is never one.
  for (const uint32_t warm : {1U, uint32_t{wire::kMaxWarm}, uint32_t{wire::kMaxWarm} + 1, ~0U}) {
    with([&](Request* r) { r->warm = warm; });
  }
  with([&](Request* r) {
    r->warm = 1;
    r->profile = static_cast<uint32_t>(wire::Policy::kCompile);
  });
  for (const Request& request : requests) {
    ExpectRefused(Ask(request, Standard()), 7, EINVAL, "a field");
  }
  Request no_id = Honest(0);
  ExpectRefused(Ask(no_id, Standard()), 0, EINVAL, "id 0");
}

TEST_F(LauncherAbuse, TooFewAndTooManyDescriptorsAreRefused) {
  for (size_t count = 0; count < wire::kFixedRunFds; ++count) {
    std::vector<int> fds = Standard();
    fds.resize(count);
    ExpectRefused(Ask(Honest(8), fds), 8, EINVAL, "too few");
  }
  Request kill = Honest(8);
  kill.type = static_cast<uint32_t>(wire::RequestType::kKill);
  ExpectRefused(Ask(kill, Standard()), 8, EINVAL, "kill with descriptors");
  // More than linux::SendMessage would send.
  const Request request = Honest(9);
  iovec iov{const_cast<Request*>(&request), sizeof(request)};
  std::array<int, 200> many{};
  many.fill(payload_.get());
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(many))> control{};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(many));
  std::memcpy(CMSG_DATA(header), many.data(), sizeof(many));
  ASSERT_EQ(::sendmsg(launcher_.socket.get(), &message, 0), static_cast<ssize_t>(sizeof(request)));
  ExpectRefused(Receive(), 9, EMSGSIZE, "too many");
}

TEST_F(LauncherAbuse, DescriptorsOfOtherKindsAreRefused) {
  std::vector<UniqueFd> odd;
  const auto add = [&](int fd) {
    ASSERT_GE(fd, 0);
    odd.emplace_back(fd);
  };
  add(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  add(::open("/", O_PATH | O_CLOEXEC));
  add(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  add(::open("/etc/passwd", O_PATH | O_CLOEXEC));
  add(::open("/proc/self/mem", O_RDWR | O_CLOEXEC));
  add(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  add(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  add(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  add(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  add(::epoll_create1(EPOLL_CLOEXEC));
  add(::eventfd(0, EFD_CLOEXEC));
  add(::fcntl(launcher_.socket.get(), F_DUPFD_CLOEXEC, 0));
  add(::fcntl(launcher_.process.get(), F_DUPFD_CLOEXEC, 0));
  add(::fcntl(out_read_.get(), F_DUPFD_CLOEXEC, 0));  // a pipe, but its other end
  add(Memfd("unsealed", false).release());
  const std::string sealed = "/proc/self/fd/" + std::to_string(payload_.get());
  add(::open(sealed.c_str(), O_PATH | O_CLOEXEC));
  for (const UniqueFd& fd : odd) {
    for (size_t place = 0; place < wire::kFixedRunFds + 1; ++place) {
      std::vector<int> fds = Standard();
      fds.push_back(payload_.get());  // as a file
      fds[place] = fd.get();
      ExpectRefused(Ask(Honest(10), fds), 10, EBADF, "an odd descriptor");
    }
  }
  std::vector<int> swapped = Standard();
  std::swap(swapped[0], swapped[2]);
  ExpectRefused(Ask(Honest(10), swapped), 10, EBADF, "swapped");
}

TEST_F(LauncherAbuse, AnInputIsWhatTheRequestSays) {
  Request piped = Honest(10);
  piped.detail = static_cast<uint32_t>(wire::Input::kPipe);
  ExpectRefused(Ask(piped, Standard()), 10, EBADF, "a file instead of a pipe");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read(ends[0]);
  UniqueFd write(ends[1]);
  std::vector<int> fds = Standard();
  fds[1] = write.get();
  ExpectRefused(Ask(piped, fds), 10, EBADF, "the wrong end");
  fds[1] = read.get();
  ExpectRefused(Ask(Honest(10), fds), 10, EBADF, "a pipe instead of a file");
  ASSERT_EQ(::write(write.get(), "live\n", 5), 5);
  write.reset();
  EXPECT_EQ(Ask(piped, fds).flags, uint32_t{wire::kHasStatus});
}

TEST_F(LauncherAbuse, ATerminalGoesOverASocketOnly) {
  const Request request = OfTerminal(10, 24, 80);
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd stream(ends[0]);
  const UniqueFd stream_peer(ends[1]);
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (const int fd :
       {payload_.get(), out_write_.get(), out_read_.get(), stream.get(), udp.get()}) {
    ExpectRefused(Ask(request, {payload_.get(), fd}), 10, EBADF, "no socket for messages");
  }
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  ExpectRefused(Ask(request, {payload_.get()}), 10, EINVAL, "none");
  ExpectRefused(Ask(request, {theirs.get(), theirs.get()}), 10, EBADF, "instead of the payload");
  ExpectRefused(Ask(request, {payload_.get(), theirs.get(), out_write_.get()}), 10, EBADF,
                "a pipe as a file");
  ExpectRefused(Ask(Honest(10), {payload_.get(), theirs.get(), theirs.get(), theirs.get()}), 10,
                EBADF, "for a run without one");
  // One that nobody holds the other end of, or that is the launcher's own: no terminal, no harm.
  UniqueFd lonely(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const Reply unsent = Ask(request, {payload_.get(), lonely.get()});
  EXPECT_EQ(unsent.flags, uint32_t{wire::kEndedInternal});
  EXPECT_EQ(unsent.step, static_cast<uint32_t>(wire::Step::kTerminal));
  // Honest: the program reads what its master is fed, and the master is the only descriptor.
  ASSERT_TRUE(Send(request, {payload_.get(), theirs.get()}));
  theirs.reset();
  pollfd polled{ours.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&polled, 1, kDeadlineMs), 1);
  char made = 0;
  int fds[linux::kMaxMessageFds];
  int count = 0;
  ASSERT_EQ(linux::ReceiveMessage(ours.get(), &made, 1, fds, &count, MSG_DONTWAIT), 1);
  ASSERT_EQ(count, 1);
  const UniqueFd master(fds[0]);
  ASSERT_EQ(::write(master.get(), "typed\n", 6), 6);
  EXPECT_EQ(Receive().flags, uint32_t{wire::kHasStatus});
  std::string output;  // in as many pieces as the terminal makes of it
  char piece[64];
  ssize_t n = 0;
  pollfd readable{master.get(), POLLIN, 0};
  while (::poll(&readable, 1, kDeadlineMs) == 1 &&
         (n = ::read(master.get(), piece, sizeof(piece))) > 0) {
    output.append(piece, static_cast<size_t>(n));
  }
  EXPECT_EQ(errno, EIO) << "every slave is closed";
  EXPECT_EQ(n, -1);
  EXPECT_EQ(output, "typed\r\ntyped\r\n");
}

TEST_F(LauncherAbuse, SignalsReachOnlyProgramsThatAreFed) {
  Request signal{};
  signal.version = wire::kVersion;
  signal.type = static_cast<uint32_t>(wire::RequestType::kSignal);
  signal.id = 14;
  for (const uint32_t number : {0U, 32U, 64U, 0xFFFFFFFFU}) {
    signal.detail = number;
    ExpectRefused(Ask(signal, {}), 14, EINVAL, "no signal of ours");
  }
  signal.detail = SIGKILL;
  ExpectRefused(Ask(signal, {payload_.get()}), 14, EINVAL, "a signal with a descriptor");
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    signal.id = id;
    ASSERT_TRUE(Send(signal, {}));  // nobody's
  }
  const UniqueFd waits = Memfd(Payload({"/bin/sleep", "0.2"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  ASSERT_TRUE(Send(Honest(14), fds));
  signal.id = 14;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Send(signal, {}));
  }
  const Reply reply = Receive();
  EXPECT_EQ(reply.id, 14U);
  EXPECT_EQ(reply.flags, uint32_t{wire::kHasStatus});
  EXPECT_EQ(reply.wait_status, 0);
}

TEST_F(LauncherAbuse, WhoAsksForThePoolIsToldOfItWithoutItsDescriptors) {
  Request pool{};
  pool.version = wire::kVersion;
  pool.type = static_cast<uint32_t>(wire::RequestType::kPool);
  ExpectRefused(Ask(pool, {payload_.get()}), 0, EINVAL, "a descriptor");
  EXPECT_EQ(Ask(Honest(15), Standard()).flags, uint32_t{wire::kHasStatus});
  ASSERT_TRUE(Send(pool, {}));
  const wire::PoolReport report = ReceivePool();
  EXPECT_EQ(report.kind_count, 1U);
  EXPECT_EQ(report.kinds[0].parked, 0U);
  EXPECT_EQ(report.kinds[0].claims, (std::array<uint64_t, wire::kFounds>{0, 0, 1}));
  EXPECT_EQ(report.kinds[0].built, 3U);  // the two that tried the limits, and the job's
  for (const wire::BuildStep step : {wire::BuildStep::kProcess, wire::BuildStep::kView}) {
    EXPECT_GT(report.kinds[0].build_time[static_cast<size_t>(step)], 0);
  }
}

TEST_F(LauncherAbuse, ThatTheOutputIsClosedEndsNothing) {
  Request closed{};
  closed.version = wire::kVersion;
  closed.type = static_cast<uint32_t>(wire::RequestType::kClosed);
  closed.id = 16;
  ExpectRefused(Ask(closed, {payload_.get()}), 16, EINVAL, "a descriptor");
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    closed.id = id;
    ASSERT_TRUE(Send(closed, {}));  // nobody's
  }
  const UniqueFd waits = Memfd(Payload({"/bin/sh", "-c", "sleep 0.2; exit 3"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  ASSERT_TRUE(Send(Honest(16), fds));
  closed.id = 16;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Send(closed, {}));
  }
  const Reply reply = Receive();
  EXPECT_EQ(reply.id, 16U);
  EXPECT_EQ(reply.flags, uint32_t{wire::kHasStatus});
  EXPECT_EQ(reply.wait_status, 3 << 8);
  EXPECT_GE(reply.wall_time, 200'000'000);
}

// One answer may stand for several.
TEST_F(LauncherAbuse, AFloodOfQuestionsAboutThePoolStallsNothing) {
  Request pool{};
  pool.version = wire::kVersion;
  pool.type = static_cast<uint32_t>(wire::RequestType::kPool);
  int sent = 0;
  while (sent < 100'000 && Send(pool, {}, MSG_DONTWAIT)) {
    ++sent;
  }
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_LT(sent, 100'000);
  while (!Send(Honest(17), Standard(), MSG_DONTWAIT)) {
    ReceivePool();
  }
  Reply reply{};
  do {
    pollfd polled{launcher_.socket.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&polled, 1, kDeadlineMs), 1) << "no reply";
    ASSERT_GT(::recv(launcher_.socket.get(), &reply, sizeof(reply), 0), 0);
  } while (reply.type == static_cast<uint32_t>(wire::ReplyType::kPool));
  EXPECT_EQ(reply.id, 17U);
  EXPECT_EQ(reply.flags, uint32_t{wire::kHasStatus});
}

// What could change while pid 1 reads it is refused; so shrinking it is impossible.
TEST_F(LauncherAbuse, AMemfdThatCouldShrinkIsRefused) {
  for (const int seals :
       {0, F_SEAL_WRITE | F_SEAL_GROW, F_SEAL_SHRINK | F_SEAL_GROW, F_SEAL_SHRINK | F_SEAL_WRITE}) {
    const UniqueFd fd = Memfd(Payload({"/bin/true"}), false);
    ASSERT_TRUE(seals == 0 || ::fcntl(fd.get(), F_ADD_SEALS, seals) == 0);
    std::vector<int> fds = Standard();
    fds[0] = fd.get();
    ExpectRefused(Ask(Honest(11), fds), 11, EBADF, "unsealed");
  }
  EXPECT_NE(::ftruncate(payload_.get(), 0), 0);
}

TEST_F(LauncherAbuse, BrokenPayloadsEndInTheSandbox) {
  const std::string good = Payload({"/bin/true"});
  std::vector<std::string> payloads = {"",
                                       "x",
                                       std::string(16, '\0'),
                                       good.substr(0, 17),
                                       good + "more",
                                       std::string(1 << 20, '\xFF')};
  const wire::PayloadHeader huge[] = {{wire::kPayloadMagic, ~0U, 0, 0},
                                      {wire::kPayloadMagic, 1, ~0U, 0},
                                      {wire::kPayloadMagic, 1, 0, ~0U},
                                      {wire::kPayloadMagic, 0, 0, 0},
                                      {wire::kPayloadMagic, 4096, 4096, 4096}};
  for (const wire::PayloadHeader& header : huge) {
    payloads.emplace_back(reinterpret_cast<const char*>(&header), sizeof(header));
  }
  for (const std::string& text : payloads) {
    const UniqueFd fd = Memfd(text);
    std::vector<int> fds = Standard();
    fds[0] = fd.get();
    const Reply reply = Ask(Honest(12), fds);
    EXPECT_EQ(reply.flags, uint32_t{wire::kEndedInternal});
    EXPECT_EQ(reply.step, static_cast<uint32_t>(wire::Step::kPayload)) << text.size();
    EXPECT_EQ(reply.error, EINVAL);
  }
}

TEST_F(LauncherAbuse, NamesToCollectLeadNowhere) {
  const std::vector<std::string> names = {
      "/etc/passwd",        "../etc/passwd",      "..", ".", "", "a/../../../etc/passwd",
      "/proc/self/environ", std::string(255, 'x')};
  Request request = Honest(13);
  request.collect_count = static_cast<uint32_t>(names.size());
  ASSERT_LE(names.size(), size_t{wire::kMaxCollect});
  for (size_t i = 0; i < names.size(); ++i) {
    SetName(&request.collect[i], names[i]);
  }
  int files = 0;
  const Reply reply = Ask(request, Standard(), &files);
  EXPECT_EQ(reply.flags, uint32_t{wire::kHasStatus});
  EXPECT_EQ(files, 0);
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_NE(reply.collected[i].error, 0) << names[i];
  }
}

TEST_F(LauncherAbuse, AnIdInUseIsRefusedAndTheJobGoesOn) {
  const UniqueFd waits = Memfd(Payload({"/bin/sleep", "60"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  ASSERT_TRUE(Send(Honest(14), fds));
  ExpectRefused(Ask(Honest(14), Standard()), 14, EEXIST, "a second one");
  // Foreign ids are nobody's.
  Request kill{};
  kill.version = wire::kVersion;
  kill.type = static_cast<uint32_t>(wire::RequestType::kKill);
  for (const uint64_t id : {uint64_t{0}, uint64_t{15}, ~uint64_t{0}}) {
    kill.id = id;
    kill.detail = 77;
    ASSERT_TRUE(Send(kill, {}));
  }
  EXPECT_EQ(Ask(Honest(16), Standard()).flags, uint32_t{wire::kHasStatus});
  kill.id = 14;
  const Reply reply = Ask(kill, {});
  EXPECT_EQ(reply.id, 14U);
  EXPECT_NE(reply.flags & wire::kEndedCancel, 0U);
}

TEST_F(LauncherAbuse, RandomMessagesAreRefusedOrHarmless) {
  std::mt19937_64 random(5);  // NOLINT: the same every time
  for (int i = 0; i < 2000; ++i) {
    Request request = Honest(100 + static_cast<uint64_t>(i));
    auto* bytes = reinterpret_cast<unsigned char*>(&request);
    // The first fields decide most; the id is left, so that replies can be told apart.
    const size_t at = random() % 2 == 0 ? random() % 8 : 16 + random() % (sizeof(request) - 16);
    bytes[at] = static_cast<unsigned char>(random());
    std::vector<int> fds = Standard();
    fds.resize(random() % 5);
    const bool runs = fds.size() == wire::kFixedRunFds;
    if (runs) {
      continue;  // honest enough to run: tried elsewhere
    }
    ASSERT_TRUE(Send(request, fds));
    if (request.type == static_cast<uint32_t>(wire::RequestType::kPool) && fds.empty()) {
      ReceivePool();
      continue;
    }
    if (request.type != static_cast<uint32_t>(wire::RequestType::kKill) || !fds.empty() ||
        request.version != wire::kVersion) {
      const Reply reply = Receive();
      EXPECT_EQ(reply.id, request.id);
      EXPECT_EQ(reply.flags, uint32_t{wire::kEndedInternal});
    }
  }
}

TEST_F(LauncherAbuse, CancelWhileTheSandboxIsBuiltTakesEffectAtOnce) {
  const UniqueFd waits = Memfd(Payload({"/bin/sleep", "60"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  Request kill{};
  kill.version = wire::kVersion;
  kill.type = static_cast<uint32_t>(wire::RequestType::kKill);
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t id = 1; id <= 10; ++id) {
    kill.id = id;
    ASSERT_TRUE(Send(Honest(id), fds) && Send(kill, {}));
    EXPECT_NE(Receive().flags & wire::kEndedCancel, 0U);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

// sandboxd floods and does not read: the launcher stops taking requests, but goes on keeping its
// jobs' deadlines, and answers everything once it is read.
TEST_F(LauncherAbuse, AFloodWithoutReadingStallsNothing) {
  const UniqueFd waits = Memfd(Payload({"/bin/sleep", "60"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  Request bounded = Honest(1);
  bounded.limits.wall_time = 300'000'000;
  ASSERT_TRUE(Send(bounded, fds));
  uint64_t sent = 0;
  Request bad = Honest(2);
  bad.profile = 9;
  // Until both directions are full: the launcher has stopped reading.
  pollfd writable{launcher_.socket.get(), POLLOUT, 0};
  while (::poll(&writable, 1, 500) == 1) {
    if (Send(bad, {}, MSG_DONTWAIT)) {
      ++sent;
    }
  }
  EXPECT_GT(sent, 10U);
  // The program dies at its deadline all the same: its pipe ends.
  out_write_.reset();
  pollfd ended{out_read_.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, kDeadlineMs), 1);
  EXPECT_NE(ended.revents & POLLHUP, 0);
  uint64_t refused = 0;
  bool done = false;
  while (refused < sent || !done) {
    const Reply reply = Receive();
    ASSERT_NE(reply.flags, 0U);
    if (reply.id == 1) {
      EXPECT_NE(reply.flags & wire::kEndedWall, 0U);
      done = true;
    } else {
      ++refused;
    }
  }
  EXPECT_EQ(refused, sent);
}

TEST_F(LauncherAbuse, MoreJobsThanSandboxesAreRefused) {
  const UniqueFd waits = Memfd(Payload({"/bin/sleep", "60"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  constexpr uint64_t kJobs = wire::kMaxSandboxes + 8;
  std::set<uint64_t> refused;
  for (uint64_t id = 1; id <= kJobs; ++id) {
    ASSERT_TRUE(Send(Honest(id), fds));
  }
  while (refused.size() < kJobs - wire::kMaxSandboxes && !HasFailure()) {
    const Reply reply = Receive();
    ExpectRefused(reply, reply.id, EAGAIN, "no sandbox is free");
    refused.insert(reply.id);
  }
  Request kill{};
  kill.version = wire::kVersion;
  kill.type = static_cast<uint32_t>(wire::RequestType::kKill);
  // One after the other: a launcher whose answers nobody reads takes no more requests.
  for (uint64_t id = 1; id <= kJobs && !HasFailure(); ++id) {
    if (refused.count(id) == 0) {
      kill.id = id;
      ASSERT_TRUE(Send(kill, {}));
      EXPECT_NE(Receive().flags & wire::kEndedCancel, 0U);
    }
  }
}

TEST_F(LauncherAbuse, TheEndOfTheSocketEndsEverything) {
  const UniqueFd waits = Memfd(Payload({"/bin/sleep", "60"}));
  std::vector<int> fds = Standard();
  fds[0] = waits.get();
  for (uint64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(Send(Honest(id), fds));
  }
  ended_ = true;
  launcher_.socket.reset();
  siginfo_t info{};
  ASSERT_TRUE(Eventually([&] {
    return ::waitid(P_PIDFD, static_cast<id_t>(launcher_.process.get()), &info,
                    WEXITED | WNOHANG) == 0 &&
           info.si_pid == pid_;
  }));
  EXPECT_EQ(info.si_status, 0);
  EXPECT_TRUE(CgroupFolders().empty());
  out_write_.reset();
  pollfd ended{out_read_.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, kDeadlineMs), 1);  // no process holds the pipe any more
  EXPECT_NE(ended.revents & POLLHUP, 0);
}

}  // namespace
}  // namespace sandbox
