#include "sandbox/pool_metrics.h"

#include <array>
#include <string_view>

#include "base/metrics.h"
#include "base/time.h"

namespace sandbox {
namespace {

constexpr std::array<std::string_view, wire::kFounds> kFoundNames = {"parked", "building", "none"};
constexpr std::array<std::string_view, wire::kBuildSteps> kStepNames = {"process", "view", "fork"};

void Tell(const std::string& kind, const wire::PoolKind& now, const wire::PoolKind& before) {
  static base::Gauge sandboxes("sandbox_pool", "Sandboxes made ahead.", {"kind", "state"});
  static base::Gauge zygotes("sandbox_zygotes", "Programs started ahead that serve.", {"kind"});
  static base::Counter claims("sandbox_pool_claims_total",
                              "Runs, by what they found of their kind: parked, building or none.",
                              {"kind", "found"});
  static base::Counter built("sandbox_pool_built_total", "Sandboxes made.", {"kind"});
  static base::Counter failed("sandbox_pool_failed_total", "Sandboxes that failed while made.",
                              {"kind"});
  static base::Counter build_time("sandbox_pool_build_seconds_total",
                                  "Time that those made took, by step.", {"kind", "step"});
  static base::Counter started("sandbox_zygotes_started_total", "Programs started ahead.",
                               {"kind"});
  static base::Counter forks("sandbox_zygote_forks_total", "Processes forked from them.", {"kind"});
  const auto grown = [](auto value, auto last) { return static_cast<double>(value - last); };
  sandboxes.Set({kind, "parked"}, now.parked);
  sandboxes.Set({kind, "building"}, now.building);
  zygotes.Set({kind}, now.zygotes);
  for (size_t i = 0; i < kFoundNames.size(); ++i) {
    claims.Add({kind, kFoundNames[i]}, grown(now.claims[i], before.claims[i]));
  }
  built.Add({kind}, grown(now.built, before.built));
  failed.Add({kind}, grown(now.failed, before.failed));
  for (size_t i = 0; i < kStepNames.size(); ++i) {
    build_time.Add({kind, kStepNames[i]}, grown(now.build_time[i], before.build_time[i]) /
                                              static_cast<double>(base::kSecond));
  }
  started.Add({kind}, grown(now.zygotes_started, before.zygotes_started));
  forks.Add({kind}, grown(now.forks, before.forks));
}

template <typename Counts>
bool AllGrow(const Counts& now, const Counts& before) {
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] < before[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

PoolMetrics::PoolMetrics(const std::vector<std::string>& warm) : kinds_{"plain"} {
  kinds_.insert(kinds_.end(), warm.begin(), warm.end());
}

bool PoolMetrics::IsSound(const wire::PoolReport& report) const {
  if (report.version != wire::kVersion || report.kind_count != kinds_.size() ||
      report.kind_count > report.kinds.size()) {
    return false;
  }
  for (size_t i = 0; i < kinds_.size(); ++i) {
    const wire::PoolKind& now = report.kinds[i];
    const wire::PoolKind& before = last_.kinds[i];
    if (now.parked > wire::kMaxSandboxes || now.building > wire::kMaxSandboxes ||
        now.zygotes > wire::kMaxZygotes || !AllGrow(now.claims, before.claims) ||
        !AllGrow(now.build_time, before.build_time) || now.built < before.built ||
        now.failed < before.failed || now.zygotes_started < before.zygotes_started ||
        now.forks < before.forks) {
      return false;
    }
  }
  return true;
}

bool PoolMetrics::Take(const wire::PoolReport& report, size_t size) {
  if (size != sizeof(report) || !IsSound(report)) {
    return false;
  }
  for (size_t i = 0; i < kinds_.size(); ++i) {
    Tell(kinds_[i], report.kinds[i], last_.kinds[i]);
  }
  last_ = report;
  return true;
}

}  // namespace sandbox
