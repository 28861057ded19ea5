#include "http/problem.h"

#include <gtest/gtest.h>

namespace http {
namespace {

TEST(ProblemTest, HasTheMembersOfRfc9457) {
  const Response response = Problem(422, "not valid", "r1", {{"timeout", "must be \"short\""}});
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body, R"({"type":"about:blank","title":"Unprocessable Content","status":422,)"
                           R"("detail":"not valid","request_id":"r1",)"
                           R"("errors":[{"field":"timeout","message":"must be \"short\""}]})");
}

TEST(ProblemTest, EscapesWhatIsNotUtf8) {
  EXPECT_NE(Problem(400, "a\xff", "r").body.find(R"(a\\xff)"), std::string::npos);
}

TEST(ProblemTest, MapsRefusals) {
  using Kind = service::Refusal::Kind;
  const auto status = [](Kind kind) { return Problem({kind, "why", {}}, "r").status; };
  EXPECT_EQ(status(Kind::kMalformed), 400);
  EXPECT_EQ(status(Kind::kInvalid), 422);
  EXPECT_EQ(status(Kind::kNotFound), 404);
  EXPECT_EQ(status(Kind::kOverloaded), 429);
  EXPECT_EQ(status(Kind::kUnavailable), 503);
  EXPECT_EQ(status(Kind::kInternal), 500);
  const Params retry{{"Retry-After", "1"}};
  EXPECT_EQ(Problem({Kind::kOverloaded, "why", {}}, "r").headers, retry);
  EXPECT_EQ(Problem({Kind::kUnavailable, "why", {}}, "r").headers, retry);
  EXPECT_TRUE(Problem({Kind::kInternal, "why", {}}, "r").headers.empty());
}

}  // namespace
}  // namespace http
