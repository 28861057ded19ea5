#include "sandbox/reply.h"

#include <sys/sendfile.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "sandbox/cause.h"
#include "sandbox/request.h"

namespace sandbox {
namespace {

using base::UniqueFd;

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

}  // namespace

LiveUsage ToUsage(const wire::Reply& reply) {
  const auto known = [](int64_t value) {
    return value < 0 ? std::nullopt : std::optional<int64_t>(value);
  };
  return {reply.wall_time, known(reply.cpu_time), known(reply.memory_bytes),
          known(reply.memory_peak_bytes), known(reply.processes)};
}

void TakeReply(const wire::Reply& reply, std::vector<UniqueFd> files, base::Nanos started,
               RunResult* result) {
  result->cause = CauseOf(reply.flags, reply.wait_status);
  if ((reply.flags & wire::kHasStatus) != 0) {
    result->exit_code = WIFEXITED(reply.wait_status) ? WEXITSTATUS(reply.wait_status) : 0;
    result->signal = WIFSIGNALED(reply.wait_status) ? WTERMSIG(reply.wait_status) : 0;
  }
  if (result->cause == Cause::kInternal) {
    result->message = std::string(wire::StepName(static_cast<wire::Step>(reply.step)));
    if (reply.error != 0) {
      result->message += ": " + std::generic_category().message(reply.error);
    }
  }
  result->usage.wall_time = reply.wall_time;
  result->usage.cpu_time = reply.cpu_time;
  result->usage.memory_peak_bytes = reply.memory_peak_bytes;
  result->usage.processes_peak = reply.processes_peak;
  result->usage.process_limit_hit = (reply.flags & wire::kHitProcessLimit) != 0;
  result->start_time = reply.started_at == 0 ? 0 : std::max<int64_t>(0, reply.started_at - started);
  const bool all = TakeFiles(reply, std::move(files), &result->collected);
  result->more_files = !all || (reply.flags & wire::kMoreFiles) != 0;
}

}  // namespace sandbox
