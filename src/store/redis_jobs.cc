#include "store/redis_jobs.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "job/json.h"
#include "store/rules.h"

namespace store {
namespace {

// Places in what fields_of answers.
enum Field : size_t {
  kStatus,
  kTenant,
  kPriority,
  kCreated,
  kStarted,
  kFinished,
  kAttempts,
  kLanguage,
  kSubmission,
  kResult,
  kError,
  kLost,
  kRun,
  kUsage,
  kFields
};

constexpr size_t kPlaceDigits = 20;

base::Error Unreadable(const std::string& id, const std::string& why) {
  return base::Internal("the record of job " + base::Printable(id) + " cannot be read: " + why);
}

// Everything but submission and result.
base::Result<job::Job> ReadMetadata(const std::string& id, const RedisReply& fields) {
  if (fields.type != RedisReply::Type::kArray || fields.items.size() != kFields) {
    return Unreadable(id, "it has not the form of one");
  }
  const std::vector<RedisReply>& f = fields.items;
  if (f[kStatus].IsNil()) {
    return NoSuchJob();
  }
  const auto status = job::ParseStatus(f[kStatus].text);
  if (!status) {
    return Unreadable(id, "its status is '" + base::Printable(f[kStatus].text) + "'");
  }
  job::Job job;
  job.id = id;
  job.status = *status;
  job.tenant = f[kTenant].text;
  job.submission.priority = static_cast<int>(f[kPriority].ToInt());
  job.submission.language = f[kLanguage].text;
  job.created_at = f[kCreated].ToInt();
  job.started_at = f[kStarted].ToInt();
  job.finished_at = f[kFinished].ToInt();
  job.attempts = static_cast<int>(f[kAttempts].ToInt());
  job.run = static_cast<uint64_t>(f[kRun].ToInt());
  job.error = f[kLost].IsNil() ? f[kError].text : AttemptsUsedUp(f[kLost].ToInt());
  return job;
}

}  // namespace

base::Result<job::Job> ReadRedisJob(const std::string& id, const RedisReply& fields) {
  auto job = ReadMetadata(id, fields);
  if (!job) {
    return job;
  }
  auto submission = job::DecodeSubmission(fields.items[kSubmission].text);
  if (!submission) {
    return Unreadable(id, submission.error().message);
  }
  job->submission = std::move(*submission);
  if (!fields.items[kResult].IsNil()) {
    auto result = job::DecodeResult(fields.items[kResult].text);
    if (!result) {
      return Unreadable(id, result.error().message);
    }
    job->result = std::move(*result);
  }
  if (job->status == job::Status::kRunning) {
    const auto usage = ReadUsageOfRun(fields.items[kUsage].text);
    if (usage && usage->run == job->run) {
      job->usage = usage->usage;
    }
  }
  return job;
}

base::Result<job::ListPage> ReadRedisPage(const RedisReply& page) {
  if (page.items.size() != 2) {
    return base::Internal("Redis answers something else than a page of jobs");
  }
  job::ListPage result;
  for (const RedisReply& item : page.items[1].items) {
    if (item.items.size() == 2) {
      auto job = ReadMetadata(item.items[0].text, item.items[1]);
      if (job) {  // one that is unreadable, or just gone, does not spoil the list
        result.jobs.push_back(std::move(*job));
      }
    }
  }
  const std::string& last = page.items[0].text;
  if (last.size() >= kPlaceDigits) {
    base::Nanos created = 0;
    std::from_chars(last.data(), last.data() + kPlaceDigits, created);
    result.next_cursor = EncodeCursor({created, last.substr(kPlaceDigits)});
  }
  return result;
}

base::Result<job::Lease> ReadRedisLease(const RedisReply& lease) {
  if (lease.items.size() != 3) {
    return Unreadable("", "a lease has not the form of one");
  }
  auto job = ReadRedisJob(lease.items[0].text, lease.items[2]);
  if (!job) {
    return job.error();
  }
  return job::Lease{std::move(*job), static_cast<uint64_t>(lease.items[1].ToInt())};
}

std::optional<UsageOfRun> ReadUsageOfRun(std::string_view text) {
  UsageOfRun usage;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), usage.run);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  const auto decoded = job::DecodeLiveUsage(text.substr(std::min<size_t>(1, text.size())));
  if (error != std::errc() || !decoded) {
    return std::nullopt;
  }
  usage.usage = *decoded;
  return usage;
}

std::string RedisPlace(base::Nanos created, const std::string& id) {
  std::string number = std::to_string(created);
  return std::string(kPlaceDigits - std::min(kPlaceDigits, number.size()), '0') + number + id;
}

std::string WriteWorker(const job::Worker& worker) {
  std::string text = "v 1\n";
  for (const auto& [id, version] : worker.languages) {
    text += "language " + id + " " + version + "\n";
  }
  return text;
}

job::Worker ReadWorker(const std::string& name, const std::string& text) {
  job::Worker worker;
  worker.name = name;
  constexpr std::string_view kLine = "language ";
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with(kLine)) {  // lines of other kinds are a newer version's
      line.remove_prefix(kLine.size());
      const size_t space = line.find(' ');
      worker.languages[std::string(line.substr(0, space))] =
          space == std::string_view::npos ? "" : line.substr(space + 1);
    }
  }
  return worker;
}

}  // namespace store
