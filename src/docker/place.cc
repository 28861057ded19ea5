#include "docker/place.h"

#include <cerrno>

#include "docker/probe.h"

namespace docker {

base::Result<std::string> PrepareJob(const Options& options, const language::Registry& languages,
                                     uint64_t space, uint32_t flags, sandbox::Spec* spec) {
  JobPlace place;
  place.space = space;
  place.flags = flags;
  place.job_dir = options.job_dir;
  const language::Language* language = languages.Find(spec->language);
  if (language != nullptr && language->available && language->warm_up) {
    place.cache = CachePath(options.job_dir, *language);
    const std::string& mount = language->warm_up->mount;
    for (auto& [name, value] : spec->env) {
      if (value == mount || value.starts_with(mount + "/")) {
        value = place.cache + value.substr(mount.size());
      }
    }
  }
  return EncodeJob(*spec, place, options.filters[static_cast<size_t>(spec->profile)]);
}

sandbox::RunResult ToResult(Conversation::Outcome outcome, const Options& options,
                            const std::string& where, bool cancelled) {
  sandbox::RunResult result = std::move(outcome.result);
  if (cancelled && (!outcome.answered || result.cause == sandbox::Cause::kInternal)) {
    result.cause = sandbox::Cause::kCancelled;
  }
  if (result.cause == sandbox::Cause::kInternal) {
    result.message = where + ": " + result.message;
    if (outcome.error == ENOSPC || outcome.error == EDQUOT) {
      result.message += "; SANDBOX_JOB_DIR (" + options.job_dir + ") is full";
    } else if (outcome.error == EROFS) {
      result.message += "; SANDBOX_JOB_DIR (" + options.job_dir + ") cannot be written";
    }
  }
  return result;
}

}  // namespace docker
