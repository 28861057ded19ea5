#include "job/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

#include "base/text.h"

namespace job {
namespace {

using std::string_literals::operator""s;

TEST(StoredSubmission, KeepsThePriorityAndReadsRecordsWithoutOne) {
  Submission s;
  s.priority = -3;
  EXPECT_EQ(DecodeSubmission(EncodeSubmission(s))->priority, -3);
  EXPECT_EQ(
      DecodeSubmission(R"({"v":1,"language":"go","code":"","stdin":"","timeout":0})")->priority, 0);
}

TEST(StoredSubmission, IsByteExact) {
  Submission s;
  s.language = "go";
  s.code = "a\0\xFF\xC3\xA9\"\\\n"s;
  s.stdin_data = "\0\x01\x1F\x7F é \xF0\x9F\x98\x80"s;
  s.timeout = 1'500'000'001;
  s.entrypoint = "a/b.go";
  s.files = {{"x", "\0\xFF"s}, {"y é", ""}};
  s.args = {"", "\xFF"s, "a b"};
  s.env = {{"A", "\x80"s}, {"B", ""}};
  s.compiler_args = {"-O"};
  s.limits = {1, 2, 3, 4, 5, 6};
  s.stop_on_failure = true;
  s.terminal = TerminalSize{1, 1000};
  s.outputs = {"a", "**/*.txt"};
  s.tests.resize(2);
  s.tests[1] = {"n", "\xFF"s, {{"a", ""}}, "\0"s, Checker::kTokens, 0.25, 7, "g"};
  const auto loaded = DecodeSubmission(EncodeSubmission(s));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->language, s.language);
  EXPECT_EQ(loaded->code, s.code);
  EXPECT_EQ(loaded->stdin_data, s.stdin_data);
  EXPECT_EQ(loaded->timeout, s.timeout);
  EXPECT_EQ(loaded->entrypoint, s.entrypoint);
  ASSERT_EQ(loaded->files.size(), 2U);
  EXPECT_EQ(loaded->files[0].path, "x");
  EXPECT_EQ(loaded->files[0].content, s.files[0].content);
  EXPECT_EQ(loaded->files[1].path, "y é");
  EXPECT_EQ(loaded->args, s.args);
  EXPECT_EQ(loaded->env, s.env);
  EXPECT_EQ(loaded->compiler_args, s.compiler_args);
  EXPECT_EQ(loaded->limits.cpu_time, 1);
  EXPECT_EQ(loaded->limits.memory_bytes, 2);
  EXPECT_EQ(loaded->limits.processes, 3);
  EXPECT_EQ(loaded->limits.output_bytes, 4);
  EXPECT_EQ(loaded->limits.file_bytes, 5);
  EXPECT_EQ(loaded->limits.open_files, 6);
  EXPECT_TRUE(loaded->stop_on_failure);
  ASSERT_TRUE(loaded->terminal);
  EXPECT_EQ(loaded->terminal->rows, 1);
  EXPECT_EQ(loaded->terminal->cols, 1000);
  EXPECT_EQ(loaded->outputs, s.outputs);
  ASSERT_EQ(loaded->tests.size(), 2U);
  EXPECT_FALSE(loaded->tests[0].stdin_data || loaded->tests[0].args ||
               loaded->tests[0].expected_output);
  const TestCase& test = loaded->tests[1];
  EXPECT_EQ(test.name, "n");
  EXPECT_EQ(test.stdin_data, "\xFF"s);
  EXPECT_EQ(test.args, (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(test.expected_output, "\0"s);
  EXPECT_EQ(test.checker, Checker::kTokens);
  EXPECT_EQ(test.tolerance, 0.25);
  EXPECT_EQ(test.points, 7);
  EXPECT_EQ(test.group, "g");
}

TEST(StoredSubmission, RefusesDamage) {
  for (const char* stored :
       {"", "{}", "[]", R"({"v":1})", R"({"v":2,"language":"go"})",
        R"({"v":1,"language":"go","code":{"base64":"!"},"stdin":"",)"
        R"("timeout":0})",
        R"({"v":1,"language":"go","code":"","stdin":"","timeout":0,"files":[1]})",
        R"({"v":1,"language":"go","code":"","stdin":"","timeout":0,"args":[1]})",
        R"({"v":1,"language":"go","code":"","stdin":"","timeout":0,"limits":{}})"}) {
    EXPECT_FALSE(DecodeSubmission(stored).has_value()) << stored;
  }
}

TEST(StoredSubmission, IgnoresUnknownMembers) {
  EXPECT_TRUE(
      DecodeSubmission(R"({"v":1,"language":"go","code":"","stdin":"","timeout":0,"later":[1]})")
          .has_value());
}

Result FullResult() {
  Result r;
  r.verdict = Verdict::kSignalled;
  r.stdout_data = "\xFF\0out"s;
  r.stderr_data = "é\n";
  r.stdout_truncated = true;
  r.exit_code = 3;
  r.signal = 11;
  r.message = "It said \"no\".";
  r.usage = {1'500'000, 1'000'001, 4096, 2};
  r.queue_time = 7;
  r.start_time = base::kSecond;
  CompileResult c;
  c.stdout_data = "warn";
  c.stderr_data = "\x80"s;
  c.stderr_truncated = true;
  c.exit_code = 0;
  c.usage = {1, 2, 3, 4};
  c.cached = true;
  r.compile = c;
  return r;
}

TEST(StoredResult, IsByteExact) {
  const Result r = FullResult();
  const auto loaded = DecodeResult(EncodeResult(r));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->verdict, r.verdict);
  EXPECT_EQ(loaded->stdout_data, r.stdout_data);
  EXPECT_EQ(loaded->stderr_data, r.stderr_data);
  EXPECT_TRUE(loaded->stdout_truncated);
  EXPECT_FALSE(loaded->stderr_truncated);
  EXPECT_EQ(loaded->exit_code, 3);
  EXPECT_EQ(loaded->signal, 11);
  EXPECT_EQ(loaded->message, r.message);
  EXPECT_EQ(loaded->usage.wall_time, r.usage.wall_time);
  EXPECT_EQ(loaded->usage.cpu_time, r.usage.cpu_time);
  EXPECT_EQ(loaded->usage.memory_peak_bytes, 4096);
  EXPECT_EQ(loaded->usage.processes_peak, 2);
  EXPECT_EQ(loaded->queue_time, 7);
  EXPECT_EQ(loaded->start_time, base::kSecond);
  ASSERT_TRUE(loaded->compile.has_value());
  EXPECT_EQ(loaded->compile->stdout_data, "warn");
  EXPECT_EQ(loaded->compile->stderr_data, "\x80");
  EXPECT_TRUE(loaded->compile->stderr_truncated);
  EXPECT_EQ(loaded->compile->exit_code, 0);
  EXPECT_EQ(loaded->compile->usage.processes_peak, 4);
  EXPECT_TRUE(loaded->compile->cached);
}

TEST(StoredResult, KeepsTests) {
  Result r;
  r.points = 3;
  r.max_points = 9;
  r.tests.resize(2);
  r.tests[0].verdict = Verdict::kSkipped;
  TestResult& test = r.tests[1];
  test.verdict = Verdict::kWrongAnswer;
  test.name = "n";
  test.group = "g";
  test.points = 2;
  test.stdout_data = "\xFF"s;
  test.stderr_truncated = true;
  test.exit_code = 0;
  test.signal = 4;
  test.message = "m";
  test.usage = {1, 2, 3, 4};
  test.start_time = 5;
  test.difference = {6, "\x80"s, "b"};
  test.stdin_data = "\xFE"s;
  test.stdin_truncated = true;
  const auto loaded = DecodeResult(EncodeResult(r));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->points, 3);
  EXPECT_EQ(loaded->max_points, 9);
  ASSERT_EQ(loaded->tests.size(), 2U);
  EXPECT_EQ(loaded->tests[0].verdict, Verdict::kSkipped);
  EXPECT_FALSE(loaded->tests[0].difference);
  const TestResult& second = loaded->tests[1];
  EXPECT_EQ(second.verdict, Verdict::kWrongAnswer);
  EXPECT_EQ(second.name, "n");
  EXPECT_EQ(second.group, "g");
  EXPECT_EQ(second.points, 2);
  EXPECT_EQ(second.stdout_data, "\xFF"s);
  EXPECT_TRUE(second.stderr_truncated);
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_EQ(second.signal, 4);
  EXPECT_EQ(second.usage.processes_peak, 4);
  EXPECT_EQ(second.start_time, 5);
  ASSERT_TRUE(second.difference);
  EXPECT_EQ(second.difference->line, 6);
  EXPECT_EQ(second.difference->expected, "\x80"s);
  EXPECT_EQ(second.stdin_data, "\xFE"s);
  EXPECT_TRUE(second.stdin_truncated);
  EXPECT_FALSE(loaded->tests[0].stdin_data);
}

TEST(PublicJson, ShowsTestsWithTheVerdictsOfOthers) {
  Job j;
  j.status = Status::kCompleted;
  j.result.emplace();
  j.result->verdict = Verdict::kWrongAnswer;
  j.result->max_points = 2;
  j.result->tests.resize(1);
  j.result->tests[0].verdict = Verdict::kWrongAnswer;
  j.result->tests[0].difference = {1, "\xFF"s, "a"};
  const auto json = boost::json::parse(ToPublicJson(j)).as_object();
  const auto& result = json.at("result").as_object();
  EXPECT_EQ(result.at("max_points").as_int64(), 2);
  EXPECT_EQ(result.at("verdict_codes").at("codeforces").as_string(), "WRONG_ANSWER");
  const auto& test = result.at("tests").as_array().at(0).as_object();
  EXPECT_EQ(test.at("verdict_codes").at("dmoj").as_string(), "WA");
  EXPECT_EQ(test.at("difference").at("expected_encoding").as_string(), "base64");
  EXPECT_FALSE(test.contains("group"));
}

TEST(StoredResult, KeepsFiles) {
  Result r;
  r.files = {{"a b", "\0\xFF"s, ""}, {"empty", "", ""}, {"gone", "", "not found"}};
  r.files_truncated = true;
  const auto loaded = DecodeResult(EncodeResult(r));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_TRUE(loaded->files_truncated);
  ASSERT_EQ(loaded->files.size(), 3U);
  EXPECT_EQ(loaded->files[0].path, "a b");
  EXPECT_EQ(loaded->files[0].content, r.files[0].content);
  EXPECT_EQ(loaded->files[1].error, "");
  EXPECT_EQ(loaded->files[2].error, "not found");
}

TEST(PublicJson, ShowsSmallFilesAndTheAddressOfAll) {
  Job j;
  j.id = "abc";
  j.status = Status::kCompleted;
  j.result.emplace();
  j.result->files = {{"a b/c", "\xFF"s, ""},
                     {"large", std::string(kMaxInlineFile + 1, 'x'), ""},
                     {"gone", "", "not found"}};
  const auto json = boost::json::parse(ToPublicJson(j)).as_object();
  const auto& files = json.at("result").as_object().at("files").as_array();
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].at("url").as_string(), "/v1/execute/abc/files/a%20b/c");
  EXPECT_EQ(files[0].at("content_encoding").as_string(), "base64");
  EXPECT_EQ(files[1].at("size").as_int64(), static_cast<int64_t>(kMaxInlineFile) + 1);
  EXPECT_FALSE(files[1].as_object().contains("content"));
  EXPECT_EQ(files[2].at("error").as_string(), "not found");
  EXPECT_FALSE(files[2].as_object().contains("url"));
}

TEST(StoredResult, KeepsAbsence) {
  const auto loaded = DecodeResult(EncodeResult(Result{}));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_FALSE(loaded->exit_code.has_value());
  EXPECT_FALSE(loaded->signal.has_value());
  EXPECT_FALSE(loaded->compile.has_value());
}

TEST(PublicJson, ShowsAQueuedJob) {
  Job j;
  j.id = "abc";
  j.submission.language = "go";
  j.created_at = 1;
  EXPECT_EQ(ToPublicJson(j), R"({"id":"abc","language":"go","status":"queued","priority":0,)"
                             R"("created_at":"1970-01-01T00:00:00.000000001Z","attempts":0})");
  EXPECT_EQ(ToAcceptedJson(j),
            R"({"id":"abc","status":"queued","created_at":"1970-01-01T00:00:00.000000001Z"})");
}

TEST(PublicJson, SummaryHasNoResult) {
  Job j;
  j.id = "abc";
  j.submission.language = "go";
  j.status = Status::kCompleted;
  j.result.emplace();
  const auto json = boost::json::parse(ToSummaryJson(j)).as_object();
  EXPECT_EQ(json.at("status").as_string(), "completed");
  EXPECT_FALSE(json.contains("result"));
}

TEST(PublicJson, ShowsWhatARunningJobUses) {
  Job j;
  j.status = Status::kRunning;
  j.usage.emplace();
  j.usage->wall_time = 1'500'000;
  EXPECT_EQ(ToUsageJson(*j.usage), R"({"wall_time_ms":1.5})");
  j.usage = {1'500'000, 1'000'000, 4096, 8192, 2};
  const std::string usage =
      R"({"wall_time_ms":1.5,"cpu_time_ms":1,"memory_bytes":4096,"memory_peak_bytes":8192,)"
      R"("processes":2})";
  EXPECT_EQ(ToUsageJson(*j.usage), usage);
  EXPECT_TRUE(ToPublicJson(j).ends_with(R"("attempts":0,"usage":)" + usage + "}"));
  EXPECT_EQ(ToSummaryJson(j).find("usage"), std::string::npos);
}

TEST(StoredJson, KeepsWhatIsUsed) {
  const sandbox::LiveUsage usage{1, 2, std::nullopt, 4, 5};
  const auto again = DecodeLiveUsage(EncodeLiveUsage(usage));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->wall_time, 1);
  EXPECT_EQ(again->cpu_time, 2);
  EXPECT_EQ(again->memory_bytes, std::nullopt);
  EXPECT_EQ(again->memory_peak_bytes, 4);
  EXPECT_EQ(again->processes, 5);
  EXPECT_FALSE(DecodeLiveUsage(R"({"v":1})").has_value());
  EXPECT_FALSE(DecodeLiveUsage(R"({"v":1,"wall_time":1,"processes":"2"})").has_value());
}

TEST(PublicJson, ListsJobs) {
  EXPECT_EQ(ToListJson({}, ""), R"({"jobs":[],"next_cursor":null})");
  const auto json = boost::json::parse(ToListJson({Job{}, Job{}}, "1.a")).as_object();
  EXPECT_EQ(json.at("jobs").as_array().size(), 2U);
  EXPECT_EQ(json.at("next_cursor").as_string(), "1.a");
}

TEST(PublicJson, ShowsOutput) {
  EXPECT_EQ(ToOutputJson(3, "a\n", 0), R"({"offset":3,"encoding":"utf8","data":"a\n"})");
  EXPECT_EQ(ToOutputJson(9, "\xFF", 6),
            R"({"offset":9,"gap":6,"encoding":"base64","data":"/w=="})");
}

TEST(PublicJson, ShowsAFailedJobWithItsError) {
  Job j;
  j.status = Status::kFailed;
  j.error = "bad \xFF";
  const auto json = boost::json::parse(ToPublicJson(j)).as_object();
  EXPECT_EQ(json.at("error").as_string(), "bad \\xff");
  EXPECT_FALSE(json.contains("result"));
}

TEST(PublicJson, ShowsAResult) {
  Job j;
  j.status = Status::kCompleted;
  j.started_at = j.finished_at = base::kSecond;
  j.attempts = 1;
  j.result = FullResult();
  const std::string text = ToPublicJson(j);
  EXPECT_TRUE(base::IsValidUtf8(text));
  EXPECT_NE(text.find(R"("usage":{"wall_time_ms":1.5,"cpu_time_ms":1.000001,)"
                      R"("memory_peak_bytes":4096,"processes_peak":2},"queue_time_ms":0.000007,)"
                      R"("start_time_ms":1000})"),
            std::string::npos)
      << text;
  const auto json = boost::json::parse(text).as_object();
  EXPECT_EQ(json.at("finished_at").as_string(), "1970-01-01T00:00:01.000000000Z");
  const auto& result = json.at("result").as_object();
  EXPECT_EQ(result.at("verdict").as_string(), "signalled");
  EXPECT_EQ(result.at("stdout_encoding").as_string(), "base64");
  EXPECT_EQ(*base::Base64Decode(std::string(result.at("stdout").as_string())), "\xFF\0out"s);
  EXPECT_EQ(result.at("stderr_encoding").as_string(), "utf8");
  EXPECT_EQ(result.at("stderr").as_string(), "é\n");
  EXPECT_EQ(result.at("signal").as_int64(), 11);
  const auto& compile = result.at("compile").as_object();
  EXPECT_EQ(compile.at("stderr_encoding").as_string(), "base64");
  EXPECT_TRUE(compile.at("cached").as_bool());
  EXPECT_EQ(compile.at("exit_code").as_int64(), 0);
}

TEST(Names, RoundTrip) {
  for (int i = 0; i <= static_cast<int>(Status::kCancelled); ++i) {
    const auto s = static_cast<Status>(i);
    EXPECT_EQ(ParseStatus(ToString(s)), s);
  }
  for (int i = 0; i <= static_cast<int>(Verdict::kSkipped); ++i) {
    const auto v = static_cast<Verdict>(i);
    EXPECT_EQ(ParseVerdict(ToString(v)), v);
  }
  EXPECT_EQ(ToString(Verdict::kCpuTimeLimit), "cpu_time_limit");
  EXPECT_FALSE(ParseStatus("Queued").has_value());
  EXPECT_FALSE(ParseVerdict("").has_value());
}

}  // namespace
}  // namespace job
