#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "job/job.h"
#include "job/key.h"

// The only place that knows the JSON names of a job's fields: the public form (api.md) and the form
// that stores keep. Thread-safe, non-blocking.
namespace job {

struct FieldError {
  std::string field;    // "timeout"; empty when the body as a whole is wrong
  std::string message;  // what is accepted
};

// Why a body was refused.
struct ParseError {
  bool malformed = false;          // not JSON at all (HTTP 400), else well-formed but wrong (422)
  std::vector<FieldError> errors;  // all that were found, at least one
};

struct ParsedSubmission {
  Submission submission;
  bool has_code = false;  // `code` was given, perhaps empty
  bool checker_has_code = false;
  base::Nanos wait = 0;  // the `wait` member: how long the client wants to wait for the result
};

// An element of a batch.
struct BatchItem {
  ParsedSubmission parsed;
  std::vector<FieldError> errors;  // when not empty, it is refused
};

struct ParsedBatch {
  std::vector<BatchItem> jobs;
  base::Nanos wait = 0;  // for all of them
};

constexpr size_t kMaxBatch = 1000;
constexpr size_t kMaxFiles = 1000;
constexpr size_t kMaxArgs = 1000;
constexpr size_t kMaxVariables = 128;
constexpr size_t kMaxArgsBytes = 64 << 10;  // of all arguments; of all variables likewise
constexpr size_t kMaxCompilerArgs = 64;
constexpr size_t kMinWebhookSecret = 16;
constexpr size_t kMaxWebhookSecret = 256;
constexpr size_t kMaxOutputs = 32;  // paths and patterns, and files that are returned
constexpr size_t kMaxInlineFile = size_t{64} << 10;  // larger ones are told by their URL
constexpr size_t kMaxTests = 1000;
constexpr size_t kMaxTestName = 100;       // bytes, of groups likewise
constexpr int64_t kMaxPoints = 1'000'000;  // of one test

// What programs compute is measured about twice a second: within less nobody is known to be idle.
constexpr base::Nanos kMinIdleTimeout = base::kSecond;

// What a checker program finds beside its own files, in the order of its arguments, which is
// testlib's.
constexpr std::array<std::string_view, 3> kCheckerFiles = {"input", "output", "answer"};

// Reads the body of POST /v1/execute: strict UTF-8, nesting up to 64, no duplicate or unknown keys,
// no wrong types. Files are decoded; their paths, the names of variables and all numbers are within
// what this header and paths.h bound. What depends on configuration (maxima, known languages, which
// file is the entrypoint) is the service's. Returns true and fills `out`, or false and fills
// `error`.
[[nodiscard]] bool ParseSubmission(std::string_view body, ParsedSubmission* out, ParseError* error);

// Reads the first message of GET /v1/interactive: the same without what is for jobs
// that nobody attends, `tests`, `priority`, `wait`, `webhook`, and with `terminal`.
[[nodiscard]] bool ParseInteractive(std::string_view message, ParsedSubmission* out,
                                    ParseError* error);

// A later text message of the client's there.
struct ClientMessage {
  enum class Type { kStdin, kEof, kSignal, kResize };
  Type type = Type::kStdin;
  std::string data;   // kStdin, decoded
  int signal = 0;     // kSignal
  TerminalSize size;  // kResize
};

[[nodiscard]] bool ParseClientMessage(std::string_view message, ClientMessage* out,
                                      ParseError* error);

// Reads the body of POST /v1/batch. False only when it is wrong as a whole.
[[nodiscard]] bool ParseBatch(std::string_view body, ParsedBatch* out, ParseError* error);

// Reads the body of POST /v1/keys: everything of a key but id, hash and created_at.
[[nodiscard]] bool ParseKey(std::string_view body, Key* out, ParseError* error);

// Reads a file of keys, {"keys": [...]}: the same members, and of each `key` or `key_sha256`.
[[nodiscard]] bool ParseKeysFile(std::string_view text, std::vector<Key>* out, ParseError* error);

// What a secret must be.
std::string SecretRule();

// The public form of a key; with its secret unless that is empty.
std::string ToKeyJson(const Key& key, std::string_view secret);

// The answer of GET /v1/keys.
std::string ToKeyListJson(const std::vector<Key>& keys);

// The public form of a job, as GET /v1/execute/{id} returns it. `stdout`/`stderr` that are not
// valid UTF-8 are base64 with "stdout_encoding": "base64".
std::string ToPublicJson(const Job& job);

// The same without result: what lists and status events show.
std::string ToSummaryJson(const Job& job);

// What a webhook is sent: "type", "timestamp" (when the job ended), and the job as "data".
std::string ToWebhookJson(const Job& job, bool with_result);

// The answer of GET /v1/execute.
std::string ToListJson(const std::vector<Job>& jobs, const std::string& next_cursor);

// A piece of a program's output, as stdout and stderr events show it. `lost`: bytes before it that
// cannot be told any more.
std::string ToOutputJson(int64_t offset, std::string_view bytes, int64_t lost);

// What a program uses while it runs, as usage events and a running job's `usage` show it.
std::string ToUsageJson(const sandbox::LiveUsage& usage);

// A message to the client of an interactive session: `data` is that of the event of this type, or
// a problem. No line breaks.
std::string ToSessionMessage(std::string_view type, std::string_view data);

// The answer of POST /v1/execute: id, status, created_at.
std::string ToAcceptedJson(const Job& job);

// The stored forms; byte-exact for every string. They carry a version ("v": 1); unknown members are
// ignored when read.
std::string EncodeSubmission(const Submission& submission);
base::Result<Submission> DecodeSubmission(std::string_view stored);
std::string EncodeKey(const Key& key);
base::Result<Key> DecodeKey(std::string_view stored);
std::string EncodeLiveUsage(const sandbox::LiveUsage& usage);
base::Result<sandbox::LiveUsage> DecodeLiveUsage(std::string_view stored);
std::string EncodeResult(const Result& result);
base::Result<Result> DecodeResult(std::string_view stored);

}  // namespace job
