#include "webhook/dispatcher.h"

#include <gtest/gtest.h>

#include <string>

namespace webhook {
namespace {

// The example of the Standard Webhooks specification's libraries.
TEST(Signature, IsThatOfTheStandard) {
  EXPECT_EQ(Signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                      "1614265330", R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Signature, TakesOtherSecretsAsTheyAre) {
  EXPECT_NE(Signature("0123456789abcdef", "a", "1", "x"),
            Signature("0123456789abcdeg", "a", "1", "x"));
  EXPECT_NE(Signature("0123456789abcdef", "a", "1", "x"),
            Signature("0123456789abcdef", "b", "1", "x"));
  EXPECT_NE(Signature("0123456789abcdef", "a", "1", "x"),
            Signature("0123456789abcdef", "a", "2", "x"));
  EXPECT_NE(Signature("0123456789abcdef", "a", "1", "x"),
            Signature("0123456789abcdef", "a", "1", "y"));
}

TEST(PauseAfter, GrowsUpToAnHour) {
  constexpr base::Nanos kFirst = 5 * base::kSecond;
  EXPECT_EQ(PauseAfter(1, kFirst), kFirst);
  EXPECT_EQ(PauseAfter(2, kFirst), 4 * kFirst);
  EXPECT_EQ(PauseAfter(3, kFirst), 16 * kFirst);
  EXPECT_EQ(PauseAfter(6, kFirst), kMaxPause);
  EXPECT_EQ(PauseAfter(100, base::kHour), kMaxPause);
}

TEST(BodyOf, LeavesALargeResultOut) {
  job::Job job;
  job.id = "a";
  job.status = job::Status::kCompleted;
  job.result.emplace();
  job.result->stdout_data = "small";
  EXPECT_NE(BodyOf(job).find("small"), std::string::npos);
  job.result->stdout_data.assign(kMaxWebhookBody, 'x');
  const std::string body = BodyOf(job);
  EXPECT_LT(body.size(), 1000U);
  EXPECT_NE(body.find(R"("status":"completed")"), std::string::npos);
}

}  // namespace
}  // namespace webhook
