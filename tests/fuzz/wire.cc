// Messages that a taken-over sandboxd might send to the launcher. The first byte says how many
// descriptors came along, the next ones how long the message is.

#include <cerrno>
#include <cstring>

#include "fuzz.h"
#include "sandbox/launcher/check.h"

namespace {

bool Ends(const sandbox::wire::Name& name) {
  return std::memchr(name.data(), 0, name.size()) != nullptr;
}

}  // namespace

FUZZ(wire, input) {
  namespace wire = sandbox::wire;
  fuzz::Input in(input);
  const int fd_count = in.Take<uint8_t>() % (wire::kMaxFds + 2);
  const bool whole = in.Take<uint8_t>() % 8 != 0;
  const std::string_view bytes = in.TakeRest();

  wire::Request request{};
  std::memcpy(&request, bytes.data(), std::min(bytes.size(), sizeof(request)));
  const size_t size = whole ? wire::SizeOf(request) : bytes.size();
  const int refusal = sandbox::launcher::CheckRequest(request, size, fd_count);
  MUST(refusal == 0 || refusal == EINVAL || refusal == EPROTO);
  if (refusal == 0) {
    MUST(size == wire::SizeOf(request) && request.version == wire::kVersion);
  }
  if (refusal == 0 && request.type == static_cast<uint32_t>(wire::RequestType::kRun)) {
    const bool terminal = request.detail == static_cast<uint32_t>(wire::Input::kTerminal);
    MUST(fd_count >= (terminal ? 2 : wire::kFixedRunFds) && fd_count <= wire::kMaxFds);
    MUST(request.id != 0);
    MUST(request.profile <= 1 && request.collect_count <= wire::kMaxCollect);
    MUST(request.detail <= static_cast<uint32_t>(wire::Input::kTerminal));
    // They are cut to 16 bits.
    MUST(terminal ? request.rows >= 1 && request.rows <= 1000 && request.cols >= 1 &&
                        request.cols <= 1000 && request.warm == 0 && request.profile == 0
                  : request.rows == 0 && request.cols == 0);
    MUST(request.warm == 0 || (request.warm <= wire::kMaxWarm && request.profile == 0));
    for (uint32_t i = 0; i < request.collect_count; ++i) {
      MUST(Ends(request.collect[i]));
    }
    const wire::RunLimits& l = request.limits;
    MUST(l.wall_time > 0 && l.cpu_time >= 0 && l.memory_bytes > 0 && l.processes > 0 &&
         l.file_bytes > 0 && l.open_files > 0 && request.collect_bytes >= 0);
    // Sums that the launcher makes of them must not overflow.
    int64_t sum = 0;
    MUST(!__builtin_add_overflow(l.wall_time, int64_t{1} << 62, &sum) && l.processes < 1 << 20);
  }

  if (refusal == 0 && request.type == static_cast<uint32_t>(wire::RequestType::kSignal)) {
    MUST(fd_count == 0 && request.detail >= 1 && request.detail <= 31);
  }
  if (refusal == 0 && request.type != static_cast<uint32_t>(wire::RequestType::kRun)) {
    MUST(request.type <= static_cast<uint32_t>(wire::RequestType::kClosed) && fd_count == 0);
  }

  wire::Setup setup{};
  std::memcpy(&setup, bytes.data(), std::min(bytes.size(), sizeof(setup)));
  if (sandbox::launcher::CheckSetup(setup, fd_count)) {
    MUST(setup.mount_count <= wire::kMaxMounts && setup.warm_count <= wire::kMaxWarm);
    MUST(fd_count == wire::kPolicies + static_cast<int>(setup.warm_count));
    MUST(setup.uid_base >= 1000 && setup.uid_base + wire::kHostIds > setup.uid_base);
    // All that is kept ready leaves room for jobs.
    MUST(setup.park + setup.warm_count * setup.warm_park <= wire::kMaxSandboxes);
    for (uint32_t i = 0; i < setup.warm_count; ++i) {
      MUST(Ends(setup.warm_sources[i]) && setup.warm_jobs > 0 && setup.warm_forks[i] <= 1);
      MUST(std::memchr(setup.warm_preloads[i].data(), 0, setup.warm_preloads[i].size()) != nullptr);
      MUST(std::strchr(setup.warm_sources[i].data(), '/') == nullptr);
    }
    for (uint32_t i = 0; i < setup.mount_count; ++i) {
      MUST(Ends(setup.mounts[i].source) && Ends(setup.mounts[i].target));
      MUST(setup.mounts[i].source[0] == '/' && setup.mounts[i].target[0] == '/');
    }
    MUST(Ends(setup.root));
  }
}
