#include "app/fleet.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace app {
namespace {

job::Worker WorkerWith(const std::string& name, std::map<std::string, std::string> languages) {
  job::Worker worker;
  worker.name = name;
  worker.languages = std::move(languages);
  return worker;
}

class TakeOverTest : public testing::Test {
 protected:
  TakeOverTest() {
    auto loaded = language::Registry::Load(SOURCE_DIR "/config/languages");
    EXPECT_TRUE(loaded.has_value());
    languages_ = std::move(*loaded);
    for (const char* id : {"go", "python"}) {
      languages_.Offer(id, "");
    }
  }

  language::Registry languages_;
};

TEST_F(TakeOverTest, OffersWhatEveryWorkerOffers) {
  TakeOver({WorkerWith("w1", {{"python", "3.11.2"}, {"go", "1.19"}, {"newer", "1"}}),
            WorkerWith("w2", {{"python", "3.11.2"}})},
           &languages_);
  EXPECT_TRUE(languages_.Find("python")->available);
  EXPECT_EQ(languages_.Find("python")->version, "3.11.2");
  EXPECT_FALSE(languages_.Find("go")->available);
  EXPECT_EQ(languages_.Find("go")->unavailable_reason, "worker w2 does not have it");
  EXPECT_EQ(languages_.Find("newer"), nullptr) << "its file is not on this node";
  TakeOver({WorkerWith("w1", {{"python", "3.12"}, {"go", "1.20"}})}, &languages_);
  EXPECT_TRUE(languages_.Find("go")->available);
  EXPECT_EQ(languages_.Find("go")->unavailable_reason, "");
  EXPECT_EQ(languages_.Find("python")->version, "3.12");
}

TEST_F(TakeOverTest, KeepsWhatWasKnownWhileNoWorkerIs) {
  TakeOver({WorkerWith("w", {{"python", "3.11.2"}})}, &languages_);
  TakeOver({}, &languages_);
  EXPECT_EQ(languages_.Find("python")->version, "3.11.2");
  EXPECT_FALSE(languages_.Find("go")->available);
}

}  // namespace
}  // namespace app
