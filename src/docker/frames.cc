#include "docker/frames.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/text.h"
#include "linux/syscall.h"
#include "sandbox/cause.h"
#include "sandbox/outputs.h"
#include "sandbox/wire.h"

namespace docker {
namespace {

using base::Error;
using base::Result;
using base::UniqueFd;

template <typename T>
void Put(const T& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

bool PutString(const std::string& text, std::string* out) {
  Put(static_cast<uint32_t>(text.size()), out);
  out->append(text);
  return text.size() <= wire::kMaxString && text.find('\0') == std::string::npos;
}

Result<void> PutFile(const sandbox::InputFile& file, std::string* out) {
  wire::JobFile header{};
  header.executable = file.executable ? 1 : 0;
  header.size = file.content.size();
  if (file.fd != nullptr) {
    struct stat info {};

    if (::fstat(file.fd->get(), &info) != 0) {
      return base::SysError("read " + base::Printable(file.path), errno);
    }
    header.size = static_cast<uint64_t>(info.st_size);
  }
  if (header.size > wire::kMaxContent) {
    return base::InvalidArgument("an input file is too large");
  }
  Put(header, out);
  if (!PutString(file.path, out)) {
    return base::InvalidArgument("the name of an input file is not acceptable");
  }
  if (file.fd == nullptr) {
    out->append(file.content);
    return {};
  }
  const size_t at = out->size();
  out->resize(at + header.size);
  for (size_t done = 0; done < header.size;) {
    const ssize_t n = ::pread(file.fd->get(), out->data() + at + done, header.size - done,
                              static_cast<off_t>(done));
    if (n <= 0) {
      return base::SysError("read " + base::Printable(file.path), n == 0 ? EIO : errno);
    }
    done += static_cast<size_t>(n);
  }
  return {};
}

template <typename T>
bool Read(std::string_view payload, T* value) {
  if (payload.size() != sizeof(T)) {
    return false;
  }
  std::memcpy(value, payload.data(), sizeof(T));
  return true;
}

Error Violation(const std::string& what) {
  return base::Internal("the container does not keep to the protocol: " + what);
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

std::shared_ptr<UniqueFd> Sealed(const std::string& content) {
  auto fd =
      std::make_shared<UniqueFd>(::memfd_create("collected", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool ok = fd->valid() && linux::WriteAll(fd->get(), content.data(), content.size()) &&
                  ::fcntl(fd->get(), F_ADD_SEALS,
                          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
  return ok ? fd : nullptr;
}

bool Plausible(const wire::Done& done) {
  constexpr int64_t kYear = int64_t{366} * 24 * 3600 * 1'000'000'000;
  constexpr int64_t kMaxBytes = int64_t{1} << 50;
  const auto within = [](int64_t n, int64_t max) { return n >= 0 && n <= max; };
  return within(done.wall_time, kYear) && within(done.cpu_time, kYear) &&
         within(done.memory_peak_bytes, kMaxBytes) && within(done.processes_peak, 1'000'000) &&
         within(done.error, 4095);
}

}  // namespace

Result<std::string> EncodeJob(const sandbox::Spec& spec, const JobPlace& place,
                              std::string_view filter) {
  const bool warm_up = (place.flags & wire::kWarmUp) != 0;
  constexpr size_t kInstruction = 8;  // sizeof(sock_filter)
  if (spec.argv.empty() || spec.argv.size() > wire::kMaxStrings ||
      spec.env.size() > wire::kMaxStrings || spec.files.size() > wire::kMaxFiles ||
      spec.collect.size() > wire::kMaxCollect || spec.stdin_data.size() > wire::kMaxStdin ||
      filter.size() % kInstruction != 0 || filter.size() / kInstruction > wire::kMaxFilter ||
      filter.empty() != warm_up) {
    return base::InvalidArgument("the job has too many arguments, variables or files");
  }
  wire::JobHeader header{};
  header.magic = wire::kJobMagic;
  header.flags = place.flags | (spec.live_input ? wire::kLive : 0U);
  if (spec.terminal) {
    header.flags |= wire::kTerminal;
    header.rows = spec.terminal->rows;
    header.cols = spec.terminal->cols;
  }
  header.space = place.space;
  const sandbox::Limits& limits = spec.limits;
  header.wall_time = limits.wall_time;
  header.cpu_time = limits.cpu_time;
  header.memory_bytes = limits.memory_bytes;
  header.processes = limits.processes;
  header.file_bytes = limits.file_bytes;
  header.open_files = limits.open_files;
  header.output_bytes = limits.output_bytes;
  header.collect_bytes = spec.collect_bytes;
  header.stdin_bytes = spec.live_input ? 0 : spec.stdin_data.size();
  header.filter = static_cast<uint32_t>(filter.size() / kInstruction);
  header.argc = static_cast<uint32_t>(spec.argv.size());
  header.envc = static_cast<uint32_t>(spec.env.size());
  header.collect = static_cast<uint32_t>(spec.collect.size());
  header.files = static_cast<uint32_t>(spec.files.size());
  std::string out;
  Put(header, &out);
  out.append(filter);
  bool ok = PutString(place.job_dir, &out) && PutString(place.cache, &out);
  for (const std::string& arg : spec.argv) {
    ok = ok && PutString(arg, &out);
  }
  for (const auto& [name, value] : spec.env) {
    ok = ok && PutString(name + "=" + value, &out);
  }
  for (const std::string& path : spec.collect) {
    ok = ok && PutString(path, &out);
  }
  if (!ok) {
    return base::InvalidArgument("an argument or variable is too long or holds a NUL byte");
  }
  for (const sandbox::InputFile& file : spec.files) {
    if (auto put = PutFile(file, &out); !put) {
      return put.error();
    }
  }
  if (!spec.live_input) {
    out.append(spec.stdin_data);
  }
  return out;
}

void FrameParser::Expect(const sandbox::Spec& spec) {
  output_limit_ = spec.limits.output_bytes;
  wall_limit_ = spec.limits.wall_time;
  collect_left_ = spec.collect_bytes;
  for (const std::string& path : spec.collect) {
    if (sandbox::IsPattern(path.c_str())) {
      patterns_.push_back(path);
    } else {
      result_.collected.push_back({path, 0, nullptr, "not collected"});
    }
  }
  asked_ = result_.collected.size();
  if (phase_ == Phase::kIdle) {
    phase_ = Phase::kOutput;
  }
}

Result<void> FrameParser::Feed(std::string_view bytes) {
  pending_.append(bytes);
  size_t at = 0;
  while (pending_.size() - at >= sizeof(wire::FrameHeader)) {
    wire::FrameHeader header{};
    std::memcpy(&header, pending_.data() + at, sizeof(header));
    if (header.size > wire::kMaxFrame) {
      return Violation("a frame of " + std::to_string(header.size) + " bytes");
    }
    if (pending_.size() - at - sizeof(header) < header.size) {
      break;
    }
    const std::string_view payload =
        std::string_view(pending_).substr(at + sizeof(header), header.size);
    if (auto taken = Take(static_cast<wire::FrameType>(header.type), payload); !taken) {
      return taken;
    }
    at += sizeof(header) + header.size;
  }
  pending_.erase(0, at);
  return {};
}

Result<void> FrameParser::Take(wire::FrameType type, std::string_view payload) {
  if (phase_ == Phase::kHello) {
    wire::Hello hello{};
    if (type != wire::FrameType::kHello || !Read(payload, &hello) ||
        hello.version != wire::kVersion) {
      return Violation("it does not begin with a hello of version " +
                       std::to_string(wire::kVersion));
    }
    phase_ = output_limit_ > 0 ? Phase::kOutput : Phase::kIdle;
    if (events_.on_hello) {
      events_.on_hello(hello);
    }
    return {};
  }
  const bool output = phase_ == Phase::kOutput;
  switch (type) {
    case wire::FrameType::kStarted:
      if (!output || started_ || !payload.empty()) {
        break;
      }
      started_ = true;
      if (events_.on_started) {
        events_.on_started();
      }
      return {};
    case wire::FrameType::kStdout:
    case wire::FrameType::kStderr:
      if (!output || payload.empty()) {
        break;
      }
      return TakeOutput(
          type == wire::FrameType::kStdout ? sandbox::Stream::kStdout : sandbox::Stream::kStderr,
          payload);
    case wire::FrameType::kUsage:
      if (!output || !started_) {
        break;
      }
      return TakeUsage(payload);
    case wire::FrameType::kTaken: {
      wire::Taken taken{};
      if (!output || !Read(payload, &taken) || !events_.on_taken ||
          !events_.on_taken(taken.bytes)) {
        break;
      }
      return {};
    }
    case wire::FrameType::kFile:
      if (!output && phase_ != Phase::kFiles) {
        break;
      }
      return TakeFile(payload);
    case wire::FrameType::kFileData:
      if (phase_ != Phase::kFiles) {
        break;
      }
      return TakeFileData(payload);
    case wire::FrameType::kDone:
      if (!output && phase_ != Phase::kFiles) {
        break;
      }
      return TakeDone(payload);
    case wire::FrameType::kHello:
      break;
  }
  return Violation("a frame of type " + std::to_string(static_cast<uint32_t>(type)) +
                   " out of place");
}

Result<void> FrameParser::TakeOutput(sandbox::Stream stream, std::string_view payload) {
  std::string& data =
      stream == sandbox::Stream::kStdout ? result_.stdout_data : result_.stderr_data;
  const auto limit = static_cast<size_t>(output_limit_);
  if (data.size() + payload.size() > limit + static_cast<size_t>(wire::kOutputSlack)) {
    return Violation("more output than the job may have");
  }
  const std::string_view within = payload.substr(0, limit - std::min(limit, data.size()));
  data.append(payload);
  if (events_.on_output && !within.empty()) {
    events_.on_output(stream, within);
  }
  return {};
}

// No more of them than time can have passed: what is told of a job goes to the store.
Result<void> FrameParser::TakeUsage(std::string_view payload) {
  wire::Usage usage{};
  if (!Read(payload, &usage) || usage.wall_time > wall_limit_ ||
      usage.wall_time - measured_ < sandbox::wire::kUsageEvery / 2 || usage.cpu_time < 0 ||
      usage.memory_bytes < 0 || usage.memory_peak_bytes < usage.memory_bytes ||
      usage.processes < 0) {
    return Violation("a usage that cannot be");
  }
  measured_ = usage.wall_time;
  if (events_.on_usage) {
    events_.on_usage({usage.wall_time, usage.cpu_time, usage.memory_bytes, usage.memory_peak_bytes,
                      usage.processes});
  }
  return {};
}

Result<void> FrameParser::CloseFile() {
  if (file_left_ > 0) {
    return Violation("a file that ends early");
  }
  if (files_ > 0) {
    sandbox::CollectedFile& file = result_.collected[files_ - 1];
    if (file.error.empty()) {
      file.fd = Sealed(file_content_);
      file.error = file.fd == nullptr ? "could not be copied" : "";
    }
    file_content_.clear();
  }
  return {};
}

// A file that was not asked for by its path.
bool FrameParser::IsWanted(const wire::File& file) const {
  if (std::find(file.path.begin(), file.path.end(), '\0') == file.path.end()) {
    return false;
  }
  int64_t steps = sandbox::kMaxSteps;
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
    return sandbox::MatchesPattern(pattern.c_str(), file.path.data(), &steps);
  });
}

Result<void> FrameParser::TakeFile(std::string_view payload) {
  if (auto closed = CloseFile(); !closed) {
    return closed;
  }
  phase_ = Phase::kFiles;
  wire::File file{};
  if (!Read(payload, &file) || file.index != files_ || files_ >= wire::kMaxCollect ||
      (files_ >= asked_ && !IsWanted(file)) || file.size < 0 || file.size > collect_left_ ||
      (file.error != 0 && file.size != 0)) {
    return Violation("a file that was not asked for");
  }
  if (files_ >= asked_) {
    result_.collected.emplace_back().path = file.path.data();
  }
  sandbox::CollectedFile& collected = result_.collected[files_++];
  collect_left_ -= file.size;
  file_left_ = file.size;
  collected.size = file.size;
  collected.error = file.error == 0 ? "" : sandbox::CollectError(file.error);
  return {};
}

Result<void> FrameParser::TakeFileData(std::string_view payload) {
  if (payload.empty() || static_cast<int64_t>(payload.size()) > file_left_) {
    return Violation("more of a file than was said");
  }
  file_left_ -= static_cast<int64_t>(payload.size());
  file_content_.append(payload);
  return {};
}

Result<void> FrameParser::TakeDone(std::string_view payload) {
  if (file_left_ > 0) {
    // The sender could not go on reading; what it has said about the rest still counts.
    sandbox::CollectedFile& file = result_.collected[files_ - 1];
    file.error = "could not be read";
    file_left_ = 0;
  }
  if (auto closed = CloseFile(); !closed) {
    return closed;
  }
  wire::Done done{};
  if (!Read(payload, &done) || !Plausible(done)) {
    return Violation("an end that cannot be");
  }
  phase_ = Phase::kDone;
  done_ = true;
  sandbox::RunResult& r = result_;
  r.cause = sandbox::CauseOf(done.flags, done.wait_status);
  if ((done.flags & sandbox::wire::kHasStatus) != 0) {
    r.exit_code = WIFEXITED(done.wait_status) ? WEXITSTATUS(done.wait_status) : 0;
    r.signal = WIFSIGNALED(done.wait_status) ? WTERMSIG(done.wait_status) : 0;
  }
  if (r.cause == sandbox::Cause::kInternal) {
    error_ = done.error;
    r.message = sandbox::wire::StepName(static_cast<sandbox::wire::Step>(done.step));
    if (done.error != 0) {
      r.message += ": " + ErrnoText(done.error);
    }
  }
  r.usage.wall_time = done.wall_time;
  r.usage.cpu_time = done.cpu_time;
  r.usage.memory_peak_bytes = done.memory_peak_bytes;
  r.usage.processes_peak = done.processes_peak;
  r.usage.process_limit_hit = (done.flags & sandbox::wire::kHitProcessLimit) != 0;
  // The names of files that patterns match are the job's: only text is repeated.
  const size_t unsayable = std::erase_if(r.collected, [](const sandbox::CollectedFile& file) {
    return !base::IsValidUtf8(file.path) || base::HasControlCharacters(file.path);
  });
  r.more_files = unsayable > 0 || (done.flags & sandbox::wire::kMoreFiles) != 0;
  r.stdout_truncated = (done.flags & wire::kStdoutTruncated) != 0;
  r.stderr_truncated = (done.flags & wire::kStderrTruncated) != 0;
  // A cut does not make valid text invalid.
  const auto limit = static_cast<size_t>(output_limit_);
  for (const auto& [data, cut] :
       {std::pair{&r.stdout_data, r.stdout_truncated}, {&r.stderr_data, r.stderr_truncated}}) {
    if (cut) {
      data->resize(base::TruncateUtf8(*data, limit).size());
    }
  }
  return {};
}

}  // namespace docker
