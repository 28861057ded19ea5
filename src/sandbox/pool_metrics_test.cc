#include "sandbox/pool_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/metrics.h"

namespace sandbox {
namespace {

using ::testing::HasSubstr;

wire::PoolReport Report() {
  wire::PoolReport report{};
  report.version = wire::kVersion;
  report.type = static_cast<uint32_t>(wire::ReplyType::kPool);
  report.kind_count = 2;
  wire::PoolKind& kind = report.kinds[1];
  kind.parked = 3;
  kind.building = 1;
  kind.zygotes = 1;
  kind.claims = {10, 2, 1};
  kind.built = 15;
  kind.failed = 1;
  kind.build_time = {1'500'000'000, 250'000'000, 125'000'000};
  kind.zygotes_started = 2;
  kind.forks = 16;
  return report;
}

TEST(PoolMetrics, TellsWhatIsThereAndAddsWhatHasCome) {
  PoolMetrics metrics({"of-this-test"});
  wire::PoolReport report = Report();
  ASSERT_TRUE(metrics.Take(report, sizeof(report)));
  report.kinds[1].parked = 2;
  report.kinds[1].claims[0] = 14;
  report.kinds[1].build_time[0] = 2'000'000'000;
  ASSERT_TRUE(metrics.Take(report, sizeof(report)));
  const std::string text = base::MetricsText();
  for (const char* line : {
           R"(sandbox_pool{kind="of-this-test",state="parked"} 2)",
           R"(sandbox_pool{kind="of-this-test",state="building"} 1)",
           R"(sandbox_zygotes{kind="of-this-test"} 1)",
           R"(sandbox_pool_claims_total{found="parked",kind="of-this-test"} 14)",
           R"(sandbox_pool_claims_total{found="building",kind="of-this-test"} 2)",
           R"(sandbox_pool_claims_total{found="none",kind="of-this-test"} 1)",
           R"(sandbox_pool_built_total{kind="of-this-test"} 15)",
           R"(sandbox_pool_failed_total{kind="of-this-test"} 1)",
           R"(sandbox_pool_build_seconds_total{kind="of-this-test",step="process"} 2)",
           R"(sandbox_pool_build_seconds_total{kind="of-this-test",step="view"} 0.25)",
           R"(sandbox_pool_build_seconds_total{kind="of-this-test",step="fork"} 0.125)",
           R"(sandbox_zygotes_started_total{kind="of-this-test"} 2)",
           R"(sandbox_zygote_forks_total{kind="of-this-test"} 16)",
       }) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
}

TEST(PoolMetrics, RefusesWhatTheLauncherWouldNotSay) {
  PoolMetrics metrics({"refused"});
  ASSERT_TRUE(metrics.Take(Report(), sizeof(wire::PoolReport)));
  EXPECT_FALSE(metrics.Take(Report(), sizeof(wire::PoolReport) - 1));
  const std::vector<std::function<void(wire::PoolReport*)>> changes = {
      [](auto* r) { r->version = wire::kVersion - 1; },
      [](auto* r) { r->kind_count = 1; },
      [](auto* r) { r->kind_count = ~0U; },
      [](auto* r) { r->kinds[0].parked = wire::kMaxSandboxes + 1; },
      [](auto* r) { r->kinds[1].building = ~0U; },
      [](auto* r) { r->kinds[1].zygotes = ~0U; },
      [](auto* r) { r->kinds[1].claims[2] = 0; },
      [](auto* r) { r->kinds[1].built = 0; },
      [](auto* r) { r->kinds[1].failed = 0; },
      [](auto* r) { r->kinds[1].build_time[1] = -1; },
      [](auto* r) { r->kinds[1].zygotes_started = 1; },
      [](auto* r) { r->kinds[1].forks = 15; },
  };
  const std::string before = base::MetricsText();
  for (size_t i = 0; i < changes.size(); ++i) {
    wire::PoolReport report = Report();
    report.kinds[0].built = 7;  // nothing of it is taken
    changes[i](&report);
    EXPECT_FALSE(metrics.Take(report, sizeof(report))) << i;
  }
  EXPECT_EQ(base::MetricsText(), before);
}

}  // namespace
}  // namespace sandbox
