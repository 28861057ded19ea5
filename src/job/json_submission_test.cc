#include <gtest/gtest.h>

#include <string>

#include "base/text.h"
#include "job/json.h"
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

TEST(ParseSubmission, TakesTests) {
  const Submission s =
      Accept(R"({"language":"go","code":"","stop_on_failure":true,"tests":[{},{"name":"é",)"
             R"("stdin":"","args":["x"],"expected_output":"1","checker":"floats",)"
             R"("tolerance":0.5,"points":0,"group":"g"}]})")
          .submission;
  EXPECT_TRUE(s.stop_on_failure);
  ASSERT_EQ(s.tests.size(), 2U);
  EXPECT_FALSE(s.tests[0].stdin_data || s.tests[0].args || s.tests[0].expected_output);
  EXPECT_EQ(s.tests[0].points, 1);
  EXPECT_EQ(s.tests[0].checker, Checker::kLines);
  EXPECT_EQ(s.tests[1].name, "é");
  EXPECT_EQ(s.tests[1].stdin_data, "");
  EXPECT_EQ(s.tests[1].args, std::vector<std::string>{"x"});
  EXPECT_EQ(s.tests[1].checker, Checker::kFloats);
  EXPECT_EQ(s.tests[1].tolerance, 0.5);
  EXPECT_EQ(s.tests[1].points, 0);
  EXPECT_EQ(s.tests[1].group, "g");
}

TEST(ParseSubmission, ChecksOutputs) {
  EXPECT_EQ(Accept(R"({"language":"go","code":"","outputs":["a/*.txt","b"]})").submission.outputs,
            (std::vector<std::string>{"a/*.txt", "b"}));
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","outputs":["a","../*"]})"), "outputs[1]");
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","outputs":["a"],"tests":[{}]})"), "outputs");
}

TEST(ParseSubmission, ChecksTests) {
  const auto fields = [](const std::string& test) {
    return WrongFields(R"({"language":"go","code":"","tests":[{},{)" + test + "}]}");
  };
  EXPECT_EQ(fields(R"("expected_output":"","tolerance":0.1)"), "tests[1].tolerance");
  EXPECT_EQ(fields(R"("expected_output":"","checker":"floats","tolerance":1.5)"),
            "tests[1].tolerance");
  EXPECT_EQ(fields(R"("checker":"exact")"), "tests[1].checker");
  EXPECT_EQ(fields(R"("expected_output":"","checker":"x")"), "tests[1].checker");
  EXPECT_EQ(fields(R"("points":1000001,"name":1,"group":"a\u0000")"),
            "tests[1].name,tests[1].points,tests[1].group");
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","stop_on_failure":true})"),
            "stop_on_failure");
}

TEST(ParseSubmission, TakesACheckerProgram) {
  const Submission s =
      Accept(R"({"language":"go","code":"","checker":{"type":"program","language":"cpp",)"
             R"("code":"c","files":[{"path":"testlib.h","content":"t"}],"compiler_args":["-O1"]},)"
             R"("tests":[{},{"expected_output":"1","checker":"exact"}]})")
          .submission;
  ASSERT_NE(s.checker, nullptr);
  EXPECT_EQ(s.checker->language, "cpp");
  EXPECT_EQ(s.checker->code, "c");
  EXPECT_EQ(s.checker->files[0].path, "testlib.h");
  EXPECT_EQ(s.checker->compiler_args, std::vector<std::string>{"-O1"});
  EXPECT_EQ(s.tests[0].checker, Checker::kProgram);
  EXPECT_EQ(s.tests[1].checker, Checker::kExact);
  const auto stored = DecodeSubmission(EncodeSubmission(s));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->checker->code, "c");
  EXPECT_EQ(stored->tests[0].checker, Checker::kProgram);
}

TEST(ParseSubmission, TakesAnInteractor) {
  const Submission s =
      Accept(R"({"language":"go","code":"","interactor":{"language":"cpp","code":"c",)"
             R"("files":[{"path":"testlib.h","content":"t"}],"idle_timeout":"2s"},)"
             R"("tests":[{"expected_output":"1"}]})")
          .submission;
  ASSERT_NE(s.checker, nullptr);
  EXPECT_TRUE(s.interacts);
  EXPECT_EQ(s.idle_timeout, 2 * base::kSecond);
  EXPECT_EQ(s.checker->files[0].path, "testlib.h");
  EXPECT_EQ(s.tests[0].checker, Checker::kProgram);
  const auto stored = DecodeSubmission(EncodeSubmission(s));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->checker->code, "c");
  EXPECT_TRUE(stored->interacts);
  EXPECT_EQ(stored->idle_timeout, 2 * base::kSecond);
}

TEST(ParseSubmission, ChecksTheInteractor) {
  const auto fields = [](const std::string& members, const std::string& tests = "[{}]") {
    return WrongFields(R"({"language":"go","code":"","tests":)" + tests + R"(,"interactor":{)" +
                       members + "}}");
  };
  const std::string good = R"("language":"c","code":"")";
  EXPECT_EQ(fields(""), "interactor.language,interactor.code");
  EXPECT_EQ(fields(good + R"(,"type":"program")"), "interactor.type");
  EXPECT_EQ(fields(good + R"(,"idle_timeout":"999ms")"), "interactor.idle_timeout");
  EXPECT_EQ(fields(good + R"(,"files":[{"path":"output/x","content":""}])"),
            "interactor.files[0].path");
  EXPECT_EQ(fields(good, R"([{"expected_output":"","checker":"exact"}])"), "tests[0].checker");
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","interactor":{)" + good + "}}"),
            "interactor");
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","tests":[{}],"interactor":{)" + good +
                        R"(},"checker":{"type":"program",)" + good + "}}"),
            "interactor");
  ParsedSubmission parsed;
  ParseError error;
  EXPECT_FALSE(ParseInteractive(R"({"language":"go","code":"","interactor":{)" + good + "}}",
                                &parsed, &error));
}

TEST(ParseSubmission, ChecksTheCheckerProgram) {
  const auto fields = [](const std::string& checker) {
    return WrongFields(R"({"language":"go","code":"","tests":[{}],"checker":)" + checker + "}");
  };
  EXPECT_EQ(fields("1"), "checker");
  EXPECT_EQ(fields("{}"), "checker.type,checker.language,checker.code");
  EXPECT_EQ(fields(R"({"type":"exact","language":"c","code":""})"), "checker.type");
  EXPECT_EQ(fields(R"({"type":"program","language":"c","code":"","stdin":""})"), "checker.stdin");
  EXPECT_EQ(fields(R"({"type":"program","language":"c","code":"",)"
                   R"("files":[{"path":"../x","content":""},{"path":"answer","content":""}]})"),
            "checker.files[0].path,checker.files[1].path");
  EXPECT_EQ(fields(R"({"type":"program","language":"c","code":"","entrypoint":"input"})"),
            "checker.entrypoint");
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","checker":)"
                        R"({"type":"program","language":"c","code":""}})"),
            "checker");
}

TEST(ParseInteractive, TakesASubmissionThatIsRunOnceAndAtOnce) {
  ParsedSubmission out;
  ParseError error;
  ASSERT_TRUE(
      ParseInteractive(R"({"language":"go","code":"x","stdin":"y","timeout":"5m"})", &out, &error));
  EXPECT_TRUE(out.submission.interactive);
  EXPECT_EQ(out.submission.stdin_data, "y");
  EXPECT_FALSE(Accept(R"({"language":"go","code":""})").submission.interactive);
  for (const char* member : {"tests", "stop_on_failure", "priority", "wait"}) {
    EXPECT_FALSE(ParseInteractive(R"({"language":"go","code":"",")" + std::string(member) + "\":0}",
                                  &out, &error))
        << member;
  }
}

TEST(ParseInteractive, TakesATerminal) {
  ParsedSubmission out;
  ParseError error;
  const auto parse = [&](const std::string& terminal) {
    return ParseInteractive(R"({"language":"go","code":"x","terminal":)" + terminal + "}", &out,
                            &error);
  };
  ASSERT_TRUE(parse(R"({"rows":1,"cols":1000})"));
  ASSERT_TRUE(out.submission.terminal);
  EXPECT_EQ(out.submission.terminal->rows, 1);
  EXPECT_EQ(out.submission.terminal->cols, 1000);
  ASSERT_TRUE(parse("{}"));
  EXPECT_EQ(out.submission.terminal->rows, 24);
  EXPECT_EQ(out.submission.terminal->cols, 80);
  ASSERT_TRUE(ParseInteractive(R"({"language":"go","code":"x"})", &out, &error));
  EXPECT_FALSE(out.submission.terminal);
  for (const char* wrong : {"true", "[]", "80", R"({"rows":0})", R"({"cols":1001})",
                            R"({"rows":"1"})", R"({"rows":1.5})", R"({"x":1})"}) {
    EXPECT_FALSE(parse(wrong)) << wrong;
  }
  EXPECT_EQ(WrongFields(R"({"language":"go","code":"","terminal":{}})"), "terminal");
}

TEST(ParseClientMessage, TakesInputItsEndAndSignals) {
  ClientMessage out;
  ParseError error;
  ASSERT_TRUE(ParseClientMessage(R"({"type":"stdin","data":"a\u0000b"})", &out, &error));
  EXPECT_EQ(out.type, ClientMessage::Type::kStdin);
  EXPECT_EQ(out.data, "a\0b"s);
  ASSERT_TRUE(
      ParseClientMessage(R"({"type":"stdin","data":"AP8=","encoding":"base64"})", &out, &error));
  EXPECT_EQ(out.data, "\0\xFF"s);
  ASSERT_TRUE(ParseClientMessage(R"({"type":"eof"})", &out, &error));
  EXPECT_EQ(out.type, ClientMessage::Type::kEof);
  ASSERT_TRUE(ParseClientMessage(R"({"type":"signal","signal":"KILL"})", &out, &error));
  EXPECT_EQ(out.type, ClientMessage::Type::kSignal);
  EXPECT_EQ(out.signal, 9);
  ASSERT_TRUE(ParseClientMessage(R"({"type":"resize","rows":1000,"cols":1})", &out, &error));
  EXPECT_EQ(out.type, ClientMessage::Type::kResize);
  EXPECT_EQ(out.size.rows, 1000);
  EXPECT_EQ(out.size.cols, 1);
}

TEST(ParseClientMessage, RefusesEverythingElse) {
  for (const char* text : {"",
                           "x",
                           "[]",
                           "{}",
                           R"({"type":"x"})",
                           R"({"type":1})",
                           R"({"type":"stdin"})",
                           R"({"type":"stdin","data":1})",
                           R"({"type":"stdin","data":"%","encoding":"base64"})",
                           R"({"type":"stdin","data":"","signal":"INT"})",
                           R"({"type":"eof","data":""})",
                           R"({"type":"signal"})",
                           R"({"type":"signal","signal":"SEGV"})",
                           R"({"type":"signal","signal":"INT","data":""})",
                           R"({"type":"eof","pid":1})",
                           R"({"type":"resize"})",
                           R"({"type":"resize","rows":1})",
                           R"({"type":"resize","cols":1})",
                           R"({"type":"resize","rows":0,"cols":1})",
                           R"({"type":"resize","rows":1,"cols":1001})",
                           R"({"type":"resize","rows":1,"cols":1,"data":""})",
                           R"({"type":"eof","rows":1})"}) {
    ClientMessage out;
    ParseError error;
    EXPECT_FALSE(ParseClientMessage(text, &out, &error)) << text;
    EXPECT_FALSE(error.errors.empty()) << text;
  }
}

}  // namespace
}  // namespace job
