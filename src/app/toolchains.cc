#include "app/toolchains.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

namespace app {
namespace {

// What starts a command in the view that jobs have of a prepared root: launcher/view.cc.
auto ViewPrefix(const std::string& launcher, const std::string& root) {
  return [=](const language::CacheMount* cache) {
    return std::vector<std::string>{launcher, "--view", root,
                                    cache == nullptr ? "-" : cache->source,
                                    cache == nullptr ? "-" : cache->target};
  };
}

void Say(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace

base::Result<sandbox::Rootfs> FindToolchains(const Config& config, const User* owner,
                                             language::Registry* languages,
                                             sandbox::NativeOptions* native) {
  sandbox::Rootfs rootfs;
  language::Place place;
  std::string cache_dir = config.cache_dir;
  if (!config.rootfs.empty()) {
    auto checked = sandbox::BlockingCheckRootfs(
        config.rootfs, owner == nullptr ? std::nullopt : std::optional(owner->uid));
    if (!checked) {
      return checked.error();
    }
    rootfs = *std::move(checked);
    native->root = rootfs.path;
    place.name = "the prepared root";
    place.key = rootfs.path + " " + rootfs.fingerprint;
    place.prefix = ViewPrefix(config.launcher, rootfs.path);
    // Apart from the machine's own: a warm-up removes the caches of other toolchains.
    cache_dir += "/rootfs";
    if (auto made = MakeFolder(cache_dir, 0755, nullptr); !made) {
      return made.error();
    }
  }
  languages->Detect(place);
  for (const language::CacheMount& mount : languages->BlockingWarmUp(cache_dir, Say, place)) {
    native->mounts.push_back({mount.source, mount.target});
  }
  return rootfs;
}

base::Result<void> ChooseWarm(const Config& config, const language::Registry& languages,
                              sandbox::NativeOptions* native) {
  const bool listed = config.warm_start != "on" && config.warm_start != "off";
  std::vector<std::string> chosen;
  std::istringstream list(listed ? config.warm_start : "");
  for (std::string id; std::getline(list, id, ',');) {
    const language::Language* language = languages.Find(id);
    if (language == nullptr || !language->run.warm) {
      return base::InvalidArgument("SANDBOX_WARM_START: '" + id +
                                   "' is no language that can be started ahead");
    }
    chosen.push_back(language->id);
  }
  for (const language::Language& language : languages.all()) {
    const bool wanted = config.warm_start == "on" ||
                        std::find(chosen.begin(), chosen.end(), language.id) != chosen.end();
    if (wanted && language.run.warm && language.available) {
      const std::vector<std::string> argv = language::StepArgv(language.run, language.source, {});
      native->warm.push_back(
          {language.source, argv, language.run.env, {}, {}, language.id, language.run.fork});
      std::vector<std::string> loaded;
      for (size_t i = 0; i < language.run.preload.size(); ++i) {
        const std::vector<std::string>& modules = language.run.preload[i];
        loaded.insert(loaded.end(), modules.begin(), modules.end());
        native->warm.push_back({language.source, argv, language.run.env, loaded, modules,
                                language.id + "+preload" + (i > 0 ? std::to_string(i + 1) : "")});
      }
    }
  }
  native->warm_park = static_cast<uint32_t>(
      config.warm_park > 0 ? config.warm_park : std::min<int64_t>(config.slots + 2, 32));
  native->warm_jobs = static_cast<uint32_t>(config.warm_jobs);
  return {};
}

}  // namespace app
