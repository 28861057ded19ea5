#include "job/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

#include "base/text.h"
#include "job/json_tree.h"

namespace job {
namespace {

using std::string_literals::operator""s;

ParsedSubmission Accept(const std::string& body) {
  ParsedSubmission out;
  ParseError error;
  EXPECT_TRUE(ParseSubmission(body, &out, &error)) << body;
  for (const FieldError& e : error.errors) {
    ADD_FAILURE() << e.field << ": " << e.message;
  }
  return out;
}

ParseError Refuse(const std::string& body) {
  ParsedSubmission out;
  ParseError error;
  EXPECT_FALSE(ParseSubmission(body, &out, &error)) << body;
  EXPECT_FALSE(error.errors.empty());
  for (const FieldError& e : error.errors) {
    EXPECT_FALSE(e.message.empty());
    EXPECT_TRUE(base::IsValidUtf8(e.field + e.message));
  }
  return error;
}

// The fields that a well-formed body is refused for, joined by commas.
std::string WrongFields(const std::string& body) {
  const ParseError error = Refuse(body);
  EXPECT_FALSE(error.malformed) << body;
  std::string fields;
  for (const FieldError& e : error.errors) {
    fields += (fields.empty() ? "" : ",") + e.field;
  }
  return fields;
}

TEST(ParseSubmission, TakesLanguageAndCode) {
  const ParsedSubmission p = Accept(R"({"language":"go","code":"package main"})");
  EXPECT_EQ(p.submission.language, "go");
  EXPECT_EQ(p.submission.code, "package main");
  EXPECT_EQ(p.submission.stdin_data, "");
  EXPECT_EQ(p.submission.timeout, 0);
  EXPECT_EQ(p.wait, 0);
}

TEST(ParseSubmission, TakesEveryMember) {
  const ParsedSubmission p = Accept(
      R"( {"wait": "1m", "timeout": "1.5s", "stdin": "in", "code": "c", "language": "python"} )"
      "\n");
  EXPECT_EQ(p.submission.stdin_data, "in");
  EXPECT_EQ(p.submission.timeout, 1500 * base::kMillisecond);
  EXPECT_EQ(p.wait, base::kMinute);
}

TEST(ParseSubmission, KeepsNulAndEscapesInCodeAndStdin) {
  const ParsedSubmission p =
      Accept(R"({"language":"go","code":"a\u0000b\n\"\\\ud83d\ude00é","stdin":"\u0000"})");
  EXPECT_EQ(p.submission.code, "a\0b\n\"\\\U0001F600é"s);
  EXPECT_EQ(p.submission.stdin_data, "\0"s);
}

TEST(ParseSubmission, TakesLongStringsWhole) {
  std::string code(3'000'000, 'x');
  for (size_t i = 0; i < code.size(); i += 1000) {
    code[i] = '\n';
  }
  Submission s;
  s.language = "go";
  s.code = code;
  std::string body = R"({"language":"go","code":")";
  for (const char c : code) {
    body += c == '\n' ? "\\n" : std::string(1, c);
  }
  EXPECT_EQ(Accept(body + "\"}").submission.code, code);
}

TEST(ParseSubmission, ReadsEscapedKeys) {
  EXPECT_EQ(Accept(R"({"l\u0061nguage":"go","code":""})").submission.language, "go");
}

TEST(ParseSubmission, RefusesWhatIsNotJson) {
  for (const std::string& body : {""s,
                                  " "s,
                                  "{"s,
                                  "{}{}"s,
                                  "{} x"s,
                                  R"({"language":"go","code":"x"},)"s,
                                  "{'a':1}"s,
                                  R"({"a":1,})"s,
                                  "[1,]"s,
                                  "NaN"s,
                                  R"({"timeout":NaN})"s,
                                  R"({"timeout":Infinity})"s,
                                  R"({"timeout":01})"s,
                                  R"({"timeout":+1})"s,
                                  R"({"a":.5})"s,
                                  "{} // comment"s,
                                  "nul"s,
                                  "\xEF\xBB\xBF{\"language\":\"go\",\"code\":\"\"}"s,
                                  R"({"code":"\ud800"})"s,
                                  R"({"code":"\udc00"})"s,
                                  R"({"code":"\ud800\u0041"})"s,
                                  R"({"code":"\x41"})"s,
                                  "{\"code\":\"\n\"}"s,
                                  "{\"code\":\"\xFF\"}"s,
                                  "{\"code\":\"\xED\xA0\x80\"}"s,
                                  "{\"code\":\"\xC0\x80\"}"s,
                                  "{\"code\":\"\0\"}"s,
                                  "{}\0"s}) {
    const ParseError error = Refuse(body);
    EXPECT_TRUE(error.malformed) << body;
    EXPECT_EQ(error.errors.size(), 1U);
    EXPECT_EQ(error.errors[0].field, "");
  }
}

TEST(ParseSubmission, BoundsTheDepth) {
  const auto nested = [](size_t depth) {
    return R"({"x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(WrongFields(nested(64)), "x,language,code");
  EXPECT_TRUE(Refuse(nested(65)).malformed);
  EXPECT_TRUE(Refuse(std::string(1'000'000, '[')).malformed);
}

TEST(ParseSubmission, RefusesWhatIsNotAnObject) {
  for (const char* body :
       {"[]", "null", "1", "\"x\"", "true", R"([{"language":"go","code":""}])"}) {
    EXPECT_EQ(WrongFields(body), "") << body;
  }
}

TEST(ParseSubmission, NamesEveryMissingMember) {
  EXPECT_EQ(WrongFields("{}"), "language,code");
  EXPECT_EQ(WrongFields(R"({"language":"go"})"), "code");
}

TEST(ParseSubmission, NamesMembersOfTheWrongType) {
  for (const char* value : {"null", "1", "-1", "1.5", "18446744073709551615", "true", "[]", "{}",
                            R"(["a"])", R"({"language":"go"})"}) {
    for (const char* field : {"stdin", "timeout", "wait"}) {
      const std::string body =
          R"({"language":"go","code":"","x)"s + "\":0,\"" + field + "\":" + value + "}";
      EXPECT_EQ(WrongFields(body), "x,"s + field) << body;
    }
  }
  EXPECT_EQ(WrongFields(R"({"language":1,"code":null})"), "language,code");
}

TEST(ParseSubmission, NamesUnknownMembers) {
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","Code":"","x\u0000":{"code":1}})"),
            "Code,x\\x00");
}

TEST(ParseSubmission, NamesDuplicateMembers) {
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"a","code":"b"})"), "code");
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"a","c\u006fde":"a"})"), "code");
}

TEST(ParseSubmission, DoesNotTakeMembersOfNestedObjects) {
  EXPECT_EQ(WrongFields(R"({"x":{"language":"go","code":"a"}})"), "x,language,code");
}

TEST(ParseSubmission, ChecksDurations) {
  const auto body = [](const std::string& field, const std::string& value) {
    return R"({"language":"go","code":"",")" + field + "\":\"" + value + "\"}";
  };
  for (const char* value : {"", "5", "-1s", "1x", "s", "1s ", "99999999999h"}) {
    EXPECT_EQ(WrongFields(body("timeout", value)), "timeout") << value;
    EXPECT_EQ(WrongFields(body("wait", value)), "wait") << value;
  }
  EXPECT_EQ(WrongFields(body("timeout", "0s")), "timeout");
  EXPECT_EQ(Accept(body("wait", "0")).wait, 0);
}

TEST(ParseSubmission, ChecksThePriority) {
  const auto body = [](const std::string& priority) {
    return R"({"language":"go","code":"","priority":)" + priority + "}";
  };
  EXPECT_EQ(Accept(body("-10")).submission.priority, -10);
  EXPECT_EQ(Accept(body("10")).submission.priority, 10);
  EXPECT_EQ(Accept(R"({"language":"go","code":""})").submission.priority, 0);
  for (const char* wrong : {"11", "-11", "1.0", "1e0", "9223372036854775808", "\"1\"", "null",
                            "true", "[1]", "{\"a\":1}"}) {
    const ParseError error = Refuse(body(wrong));
    ASSERT_EQ(error.errors.size(), 1U) << wrong;
    EXPECT_FALSE(error.malformed);
    EXPECT_EQ(error.errors[0].field, "priority");
    EXPECT_EQ(error.errors[0].message, "must be an integer from -10 to 10");
  }
}

TEST(StoredSubmission, KeepsThePriorityAndReadsRecordsWithoutOne) {
  Submission s;
  s.priority = -3;
  EXPECT_EQ(DecodeSubmission(EncodeSubmission(s))->priority, -3);
  EXPECT_EQ(
      DecodeSubmission(R"({"v":1,"language":"go","code":"","stdin":"","timeout":0})")->priority, 0);
}

TEST(ParseSubmission, TakesFilesArgumentsEnvironmentAndLimits) {
  const Submission s =
      Accept(R"({"language":"go","entrypoint":"a/b.go","files":[)"
             R"({"path":"a/b.go","content":"x"},)"
             R"({"encoding":"base64","content":"AP8=","path":"data é.bin"}],)"
             R"("args":["-x","","\u00e9"],"env":{"B":"2","A":"1"},"compiler_args":["-O"],)"
             R"("limits":{"cpu_time":"1.5s","memory_bytes":1,"processes":2,"output_bytes":3,)"
             R"("file_bytes":4,"open_files":5}})")
          .submission;
  EXPECT_EQ(s.entrypoint, "a/b.go");
  ASSERT_EQ(s.files.size(), 2U);
  EXPECT_EQ(s.files[0].content, "x");
  EXPECT_EQ(s.files[1].path, "data é.bin");
  EXPECT_EQ(s.files[1].content, "\0\xFF"s);
  EXPECT_EQ(s.args, (std::vector<std::string>{"-x", "", "é"}));
  ASSERT_EQ(s.env.size(), 2U);
  EXPECT_EQ(s.env[0], (std::pair<std::string, std::string>("B", "2")));
  EXPECT_EQ(s.compiler_args, std::vector<std::string>{"-O"});
  EXPECT_EQ(s.limits.cpu_time, 1500 * base::kMillisecond);
  EXPECT_EQ(s.limits.memory_bytes, 1);
  EXPECT_EQ(s.limits.open_files, 5);
}

TEST(ParseSubmission, KnowsCodeFromNoCode) {
  EXPECT_TRUE(Accept(R"({"language":"go","code":""})").has_code);
  EXPECT_FALSE(Accept(R"({"language":"go","files":[]})").has_code);
}

TEST(ParseSubmission, ChecksFiles) {
  const auto fields = [](const std::string& files) {
    return WrongFields(R"({"language":"go","code":"","files":)" + files + "}");
  };
  EXPECT_EQ(fields("{}"), "files");
  EXPECT_EQ(fields("null"), "files");
  EXPECT_EQ(fields("[1]"), "files[0]");
  EXPECT_EQ(fields("[{}]"), "files[0].path,files[0].content");
  EXPECT_EQ(fields(R"([{"path":"a","content":"","mode":1}])"), "files[0].mode");
  EXPECT_EQ(fields(R"([{"path":"a","content":1}])"), "files[0].content");
  EXPECT_EQ(fields(R"([{"path":"a","content":"","content":""}])"), "files[0].content");
  EXPECT_EQ(fields(R"([{"path":"a","content":"","encoding":"hex"}])"), "files[0].encoding");
  EXPECT_EQ(fields(R"([{"path":"a","content":"*","encoding":"base64"}])"), "files[0].content");
  EXPECT_EQ(fields(R"([{"path":"a","content":""},{"path":"../b","content":""}])"), "files[1].path");
  std::string many = "[";
  for (size_t i = 0; i <= kMaxFiles; ++i) {
    many += (i == 0 ? "{" : ",{") + R"("path":"f)"s + std::to_string(i) + R"(","content":""})";
  }
  EXPECT_EQ(fields(many + "]"), "files");
}

TEST(ParseSubmission, ChecksArgumentsAndEnvironment) {
  const auto fields = [](const std::string& more) {
    return WrongFields(R"({"language":"go","code":"",)" + more + "}");
  };
  EXPECT_EQ(fields(R"("args":"x")"), "args");
  EXPECT_EQ(fields(R"("args":["a",1])"), "args[1]");
  EXPECT_EQ(fields(R"("args":["a\u0000b"])"), "args[0]");
  EXPECT_EQ(fields(R"("args":[")" + std::string(kMaxArgsBytes, 'x') + R"("])"), "args");
  EXPECT_EQ(fields(R"("compiler_args":[[]])"), "compiler_args[0]");
  EXPECT_EQ(fields(R"("env":["A=1"])"), "env");
  EXPECT_EQ(fields(R"("env":{"A":1})"), "env.A");
  EXPECT_EQ(fields(R"("env":{"A":"\u0000"})"), "env.A");
  EXPECT_EQ(fields(R"("env":{"A":"","A":""})"), "env.A");
  EXPECT_EQ(fields(R"("env":{"A=B":"","":"","1A":"","LD_PRELOAD":"","PATH":""})"),
            "env.A=B,env.,env.1A,env.LD_PRELOAD,env.PATH");
  EXPECT_EQ(fields(R"("env":{"A":")" + std::string(kMaxArgsBytes, 'x') + R"("})"), "env");
}

TEST(ParseSubmission, ChecksLimits) {
  const auto fields = [](const std::string& limits) {
    return WrongFields(R"({"language":"go","code":"","limits":)" + limits + "}");
  };
  EXPECT_EQ(fields("[]"), "limits");
  EXPECT_EQ(fields(R"({"memory":1})"), "limits.memory");
  EXPECT_EQ(fields(R"({"memory_bytes":0,"processes":-1,"output_bytes":1.5,"open_files":"1"})"),
            "limits.memory_bytes,limits.processes,limits.output_bytes,limits.open_files");
  EXPECT_EQ(fields(R"({"cpu_time":1})"), "limits.cpu_time");
  EXPECT_EQ(fields(R"({"cpu_time":"0s"})"), "limits.cpu_time");
}

TEST(ParseSubmission, BoundsTheNumberOfValues) {
  std::string body = R"({"language":"go","code":"","args":[)";
  for (size_t i = 0; i < kMaxJsonValues; ++i) {
    body += "0,";
  }
  EXPECT_EQ(WrongFields(body + "0]}"), "");
}

TEST(ParseBatch, ReadsEachInItsPlace) {
  ParsedBatch batch;
  ParseError error;
  ASSERT_TRUE(ParseBatch(R"({"wait":"2s","jobs":[{"language":"go","code":"a"},)"
                         R"({"language":"go"},{"language":"go","code":"c","wait":"1s"}]})",
                         &batch, &error));
  EXPECT_EQ(batch.wait, 2 * base::kSecond);
  ASSERT_EQ(batch.jobs.size(), 3U);
  EXPECT_TRUE(batch.jobs[0].errors.empty());
  EXPECT_EQ(batch.jobs[0].parsed.submission.code, "a");
  ASSERT_EQ(batch.jobs[1].errors.size(), 1U);
  EXPECT_EQ(batch.jobs[1].errors[0].field, "code");
  ASSERT_EQ(batch.jobs[2].errors.size(), 1U);
  EXPECT_EQ(batch.jobs[2].errors[0].field, "wait");
}

TEST(ParseBatch, RefusesWhatIsNone) {
  const auto field = [](const std::string& body) {
    ParsedBatch batch;
    ParseError error;
    EXPECT_FALSE(ParseBatch(body, &batch, &error)) << body;
    return error.malformed || error.errors.empty() ? "?" : error.errors[0].field;
  };
  EXPECT_EQ(field("["), "?");
  EXPECT_EQ(field("[]"), "");
  EXPECT_EQ(field("{}"), "jobs");
  EXPECT_EQ(field(R"({"jobs":[]})"), "jobs");
  EXPECT_EQ(field(R"({"jobs":{}})"), "jobs");
  EXPECT_EQ(field(R"({"jobs":[1]})"), "jobs[0]");
  EXPECT_EQ(field(R"({"jobs":[{}],"job":1})"), "job");
  EXPECT_EQ(field(R"({"jobs":[{}],"wait":"x"})"), "wait");
  std::string many = R"({"jobs":[{})";
  for (size_t i = 0; i < kMaxBatch; ++i) {
    many += ",{}";
  }
  EXPECT_EQ(field(many + "]}"), "jobs");
}

TEST(ParseSubmission, ChecksTheLanguage) {
  const auto body = [](const std::string& language) {
    return R"({"code":"","language":")" + language + "\"}";
  };
  for (const std::string& value :
       {""s, std::string(65, 'a'), "go\\n"s, "\\u0000"s, "\x7F"s, "\\u0085"s}) {
    EXPECT_EQ(WrongFields(body(value)), "language") << value;
  }
  std::string sixty_four;
  for (int i = 0; i < 64; ++i) {
    sixty_four += "é";
  }
  EXPECT_EQ(Accept(body(sixty_four)).submission.language, sixty_four);
}

TEST(ParseSubmission, BoundsTheNumberOfErrors) {
  std::string body = "{";
  for (int i = 0; i < 10'000; ++i) {
    body += "\"k" + std::to_string(i) + "\":0,";
  }
  EXPECT_LE(Refuse(body + "\"z\":0}").errors.size(), 100U);
  const ParseError error = Refuse("{\"" + std::string(1'000'000, 'k') + "\":0}");
  EXPECT_LE(error.errors[0].field.size(), 300U);
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
  for (int i = 0; i <= static_cast<int>(Verdict::kInternalError); ++i) {
    const auto v = static_cast<Verdict>(i);
    EXPECT_EQ(ParseVerdict(ToString(v)), v);
  }
  EXPECT_EQ(ToString(Verdict::kCpuTimeLimit), "cpu_time_limit");
  EXPECT_FALSE(ParseStatus("Queued").has_value());
  EXPECT_FALSE(ParseVerdict("").has_value());
}

}  // namespace
}  // namespace job
