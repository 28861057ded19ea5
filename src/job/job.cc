#include "job/job.h"

#include <array>

namespace job {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 5> kStatusNames = {"queued", "running", "completed",
                                                          "failed", "cancelled"};

struct VerdictNames {
  std::string_view ours;
  std::string_view dmoj;
  std::string_view codeforces;
};

constexpr std::array<VerdictNames, 16> kVerdictNames = {{
    {"ok", "AC", "OK"},
    {"compile_error", "CE", "COMPILATION_ERROR"},
    {"wrong_answer", "WA", "WRONG_ANSWER"},
    {"presentation_error", "WA", "PRESENTATION_ERROR"},
    {"checker_error", "IE", "FAILED"},
    {"nonzero_exit", "IR", "RUNTIME_ERROR"},
    {"signalled", "RTE", "RUNTIME_ERROR"},
    {"time_limit", "TLE", "TIME_LIMIT_EXCEEDED"},
    {"cpu_time_limit", "TLE", "TIME_LIMIT_EXCEEDED"},
    {"idleness_limit", "TLE", "IDLENESS_LIMIT_EXCEEDED"},
    {"memory_limit", "MLE", "MEMORY_LIMIT_EXCEEDED"},
    {"output_limit", "OLE", "RUNTIME_ERROR"},
    {"process_limit", "RTE", "RUNTIME_ERROR"},
    {"policy_violation", "RTE", "SECURITY_VIOLATED"},
    {"internal_error", "IE", "CRASHED"},
    {"skipped", "SC", "SKIPPED"},
}};
static_assert(kStatusNames.size() == static_cast<size_t>(Status::kCancelled) + 1);
static_assert(kVerdictNames.size() == static_cast<size_t>(Verdict::kSkipped) + 1);

}  // namespace

std::string_view ToString(Status status) {
  return kStatusNames.at(static_cast<size_t>(status));
}

std::optional<Status> ParseStatus(std::string_view text) {
  for (size_t i = 0; i < kStatusNames.size(); ++i) {
    if (kStatusNames[i] == text) {
      return static_cast<Status>(i);
    }
  }
  return std::nullopt;
}

std::string_view ToString(Verdict verdict) {
  return kVerdictNames.at(static_cast<size_t>(verdict)).ours;
}

std::optional<Verdict> ParseVerdict(std::string_view text) {
  for (size_t i = 0; i < kVerdictNames.size(); ++i) {
    if (kVerdictNames[i].ours == text) {
      return static_cast<Verdict>(i);
    }
  }
  return std::nullopt;
}

std::string_view ToDmoj(Verdict verdict) {
  return kVerdictNames.at(static_cast<size_t>(verdict)).dmoj;
}

std::string_view ToCodeforces(Verdict verdict) {
  return kVerdictNames.at(static_cast<size_t>(verdict)).codeforces;
}

}  // namespace job
