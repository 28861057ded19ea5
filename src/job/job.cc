#include "job/job.h"

#include <array>

namespace job {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 5> kStatusNames = {"queued", "running", "completed",
                                                          "failed", "cancelled"};
constexpr std::array<std::string_view, 11> kVerdictNames = {"ok",
                                                            "compile_error",
                                                            "nonzero_exit",
                                                            "signalled",
                                                            "time_limit",
                                                            "cpu_time_limit",
                                                            "memory_limit",
                                                            "output_limit",
                                                            "process_limit",
                                                            "policy_violation",
                                                            "internal_error"};
static_assert(kStatusNames.size() == static_cast<size_t>(Status::kCancelled) + 1);
static_assert(kVerdictNames.size() == static_cast<size_t>(Verdict::kInternalError) + 1);

template <typename Enum, size_t N>
std::optional<Enum> Find(const std::array<std::string_view, N>& names, std::string_view text) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == text) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view ToString(Status status) {
  return kStatusNames.at(static_cast<size_t>(status));
}

std::optional<Status> ParseStatus(std::string_view text) {
  return Find<Status>(kStatusNames, text);
}

std::string_view ToString(Verdict verdict) {
  return kVerdictNames.at(static_cast<size_t>(verdict));
}

std::optional<Verdict> ParseVerdict(std::string_view text) {
  return Find<Verdict>(kVerdictNames, text);
}

}  // namespace job
