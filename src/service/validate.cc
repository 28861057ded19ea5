#include "service/validate.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/time.h"
#include "job/paths.h"

namespace service {
namespace {

// Below these no program starts.
constexpr int64_t kMinMemory = 4LL << 20;
constexpr int64_t kMinFileBytes = 4096;
constexpr int64_t kMinOpenFiles = 16;

using Errors = std::vector<job::FieldError>;

bool Allows(const job::Key* key, const std::string& language) {
  return key == nullptr || key->languages.empty() ||
         std::find(key->languages.begin(), key->languages.end(), language) != key->languages.end();
}

std::string AcceptedLanguages(const language::Registry& languages, const job::Key* key) {
  std::string ids;
  for (const language::Language& l : languages.all()) {
    if (l.available && Allows(key, l.id)) {
      ids += (ids.empty() ? "" : ", ") + l.id;
    }
  }
  return ids.empty() ? "no language is available" : "must be one of: " + ids;
}

std::string KnownLanguages(const language::Registry& languages) {
  std::string ids;
  for (const language::Language& l : languages.all()) {
    ids += (ids.empty() ? "must be one of: " : ", ") + l.id;
  }
  return ids;
}

// Null, with an error, when jobs in it cannot be run.
const language::Language* FindLanguage(const language::Registry& languages, const job::Key* key,
                                       const std::string& name, Errors* errors) {
  const language::Language* found = languages.Find(name);
  if (found == nullptr || !Allows(key, found->id)) {
    errors->push_back({"language", AcceptedLanguages(languages, key)});
    return nullptr;
  }
  if (found->available) {
    return found;
  }
  std::string message = found->name + " is not available";
  if (!found->unavailable_reason.empty()) {
    message += ": " + found->unavailable_reason;
  }
  if (!found->install.empty()) {
    message += "; install it with: " + found->install;
  }
  errors->push_back({"language", std::move(message)});
  return nullptr;
}

void CheckSizes(const Options& options, const job::Submission& s, Errors* errors) {
  const auto check = [errors](std::string field, int64_t bytes, int64_t max) {
    if (bytes > max) {
      errors->push_back({std::move(field), "must be at most " + std::to_string(max) + " bytes"});
    }
  };
  check("code", static_cast<int64_t>(s.code.size()), options.max_code_bytes);
  check("stdin", static_cast<int64_t>(s.stdin_data.size()), options.max_stdin_bytes);
  for (size_t i = 0; i < s.tests.size(); ++i) {
    if (const auto& input = s.tests[i].stdin_data) {
      check("tests[" + std::to_string(i) + "].stdin", static_cast<int64_t>(input->size()),
            options.max_stdin_bytes);
    }
  }
  int64_t files = 0;
  for (const job::SourceFile& file : s.files) {
    files += static_cast<int64_t>(file.content.size());
  }
  check("files", files, options.max_files_bytes);
}

void CheckLimits(const Options& options, const job::Submission& s, Errors* errors) {
  const auto duration = [errors](const char* field, base::Nanos asked, base::Nanos max) {
    if (asked > max) {
      errors->push_back({field, "must be at most " + base::FormatDuration(max)});
    }
  };
  const auto number = [errors](const char* field, int64_t asked, int64_t min, int64_t max) {
    if (asked != 0 && (asked < min || asked > max)) {
      errors->push_back(
          {field, "must be an integer from " + std::to_string(min) + " to " + std::to_string(max)});
    }
  };
  const job::Limits& max = options.max_limits;
  duration("timeout", s.timeout, s.interactive ? options.max_session_timeout : options.max_timeout);
  duration("limits.cpu_time", s.limits.cpu_time, max.cpu_time);
  number("limits.memory_bytes", s.limits.memory_bytes, kMinMemory, max.memory_bytes);
  number("limits.processes", s.limits.processes, 1, max.processes);
  number("limits.output_bytes", s.limits.output_bytes, 1, max.output_bytes);
  number("limits.file_bytes", s.limits.file_bytes, kMinFileBytes, max.file_bytes);
  number("limits.open_files", s.limits.open_files, kMinOpenFiles, max.open_files);
}

// Calls `with(field)` for each limit that a request may ask for.
template <typename With>
void ForEachLimit(With with) {
  with(&job::Limits::cpu_time);
  with(&job::Limits::memory_bytes);
  with(&job::Limits::processes);
  with(&job::Limits::output_bytes);
  with(&job::Limits::file_bytes);
  with(&job::Limits::open_files);
}

// The maxima for the jobs of a key.
Options OfKey(Options options, const job::Key& key) {
  const auto lower = [](int64_t* max, int64_t of_key) {
    if (of_key > 0) {
      *max = std::min(*max, of_key);
    }
  };
  lower(&options.max_timeout, key.max_timeout);
  lower(&options.max_session_timeout, key.max_timeout);
  ForEachLimit([&](auto limit) { lower(&(options.max_limits.*limit), key.max_limits.*limit); });
  return options;
}

// What is not asked for must not become more than the key may have.
void AskForLess(const Options& options, const job::Key& key, job::Submission* s) {
  const auto ask = [](int64_t* asked, int64_t unasked, int64_t of_key) {
    if (*asked == 0 && of_key > 0 && (unasked == 0 || unasked > of_key)) {
      *asked = of_key;
    }
  };
  ask(&s->timeout, s->interactive ? options.max_session_timeout : options.default_timeout,
      key.max_timeout);
  ForEachLimit([&](auto limit) {
    ask(&(s->limits.*limit), options.default_limits.*limit, key.max_limits.*limit);
  });
}

std::string PathField(size_t index) {
  return "files[" + std::to_string(index) + "].path";
}

// The files as they will lie in the work folder: no two in each other's way.
void CheckPaths(const language::Language& language, const job::Submission& s, bool has_code,
                Errors* errors) {
  std::vector<std::string_view> paths;
  if (has_code) {
    paths.push_back(s.entrypoint);
  }
  for (const job::SourceFile& file : s.files) {
    paths.push_back(file.path);
  }
  const size_t first = has_code ? 1 : 0;
  if (const auto conflict = job::FindPathConflict(paths)) {
    const std::string_view path = paths[*conflict];
    const bool of_code = has_code && (path == s.entrypoint);
    errors->push_back(
        {PathField(*conflict - first),
         of_code ? "is the entrypoint's, whose content `code` gives"
                 : "is that of another file, or would have to be a file and a folder at once"});
  }
  if (!language.compile) {
    return;
  }
  const std::string& program = language.compile->output;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].substr(0, paths[i].find('/')) == program) {
      errors->push_back({i < first ? "entrypoint" : PathField(i - first),
                         "must not be '" + program + "', the compiled program, or lie below it"});
    }
  }
}

// Names the entrypoint and moves its content to `code`.
void FindEntrypoint(const language::Language& language, bool has_code, job::Submission* s,
                    Errors* errors) {
  const auto named = [s](const std::string& path) {
    return std::find_if(s->files.begin(), s->files.end(),
                        [&](const job::SourceFile& file) { return file.path == path; });
  };
  if (s->entrypoint.empty()) {
    const bool only = !has_code && s->files.size() == 1;
    s->entrypoint = only ? s->files[0].path : language.source;
    if (!has_code && named(s->entrypoint) == s->files.end()) {
      errors->push_back({"entrypoint", "is required: the path of one of `files`, unless that is '" +
                                           language.source + "'"});
      return;
    }
  }
  const size_t dot = s->entrypoint.rfind('.');
  const std::string extension = dot == std::string::npos ? "" : s->entrypoint.substr(dot + 1);
  if (s->entrypoint != language.source &&
      std::find(language.extensions.begin(), language.extensions.end(), extension) ==
          language.extensions.end()) {
    std::string accepted;
    for (const std::string& one : language.extensions) {
      accepted += (accepted.empty() ? "." : ", .") + one;
    }
    errors->push_back({"entrypoint", "must end in " + accepted});
  }
  CheckPaths(language, *s, has_code, errors);
  if (has_code || !errors->empty()) {
    return;
  }
  const auto found = named(s->entrypoint);
  if (found == s->files.end()) {
    errors->push_back(
        {"entrypoint", "must be the path of one of `files`, or `code` must be given"});
    return;
  }
  s->code = std::move(found->content);
  s->files.erase(found);
}

void CheckCompilerArgs(const language::Language& language, const job::Submission& s,
                       Errors* errors) {
  for (size_t i = 0; i < s.compiler_args.size(); ++i) {
    if (language::AcceptsCompilerArg(language, s.compiler_args[i])) {
      continue;
    }
    std::string accepted;
    for (const std::string& pattern : language.compiler_args) {
      accepted += (accepted.empty() ? "must match one of: " : ", ") + pattern;
    }
    errors->push_back({"compiler_args[" + std::to_string(i) + "]",
                       accepted.empty() ? language.name + " takes none" : accepted});
    return;
  }
}

// One program with all that it asks for.
Errors ValidateProgram(const Options& options, const language::Registry& languages,
                       const job::Key* key, job::Submission* submission, bool has_code) {
  Errors errors;
  const language::Language* language = FindLanguage(languages, key, submission->language, &errors);
  CheckSizes(options, *submission, &errors);
  if (key != nullptr) {
    CheckLimits(OfKey(options, *key), *submission, &errors);
    AskForLess(options, *key, submission);
  } else {
    CheckLimits(options, *submission, &errors);
  }
  if (!submission->webhook.url.empty()) {
    std::vector<job::FieldError> wrong = options.webhook_errors
                                             ? options.webhook_errors(submission->webhook)
                                             : Errors{{"webhook", "webhooks are off"}};
    std::move(wrong.begin(), wrong.end(), std::back_inserter(errors));
  }
  if (language != nullptr) {
    submission->language = language->id;
    CheckCompilerArgs(*language, *submission, &errors);
    FindEntrypoint(*language, has_code, submission, &errors);
  }
  return errors;
}

}  // namespace

std::vector<job::FieldError> Validate(const Options& options, const language::Registry& languages,
                                      const job::Key* key, job::ParsedSubmission* parsed) {
  job::Submission& submission = parsed->submission;
  Errors errors = ValidateProgram(options, languages, key, &submission, parsed->has_code);
  if (submission.checker != nullptr) {
    const std::string field = submission.interacts ? "interactor" : "checker";
    // It is the caller's like the other.
    auto checker = std::make_shared<job::Submission>(*submission.checker);
    for (job::FieldError& error :
         ValidateProgram(options, languages, key, checker.get(), parsed->checker_has_code)) {
      errors.push_back({field + "." + error.field, std::move(error.message)});
    }
    submission.checker = std::move(checker);
  }
  return errors;
}

std::vector<job::FieldError> ValidateKey(const language::Registry& languages, job::Key* key) {
  Errors errors;
  for (size_t i = 0; i < key->languages.size(); ++i) {
    if (const language::Language* found = languages.Find(key->languages[i])) {
      key->languages[i] = found->id;
    } else {
      errors.push_back({"languages[" + std::to_string(i) + "]", KnownLanguages(languages)});
    }
  }
  return errors;
}

}  // namespace service
