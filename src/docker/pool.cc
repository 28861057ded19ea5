#include "docker/pool.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "docker/wire.h"

namespace docker {
namespace {

constexpr size_t kMaxContainers = 256;

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (size_t from = 0; from <= text.size();) {
    const size_t to = std::min(text.find(separator, from), text.size());
    out.emplace_back(text.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

bool IsName(const std::string& name) {
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() < wire::kMaxName && alnum(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool Meant(const Container& container, const std::string& language) {
  return container.languages.empty() || container.languages.count(language) != 0;
}

}  // namespace

base::Result<LanguageContainers> ParseLanguageContainers(std::string_view text) {
  const base::Error wrong = base::InvalidArgument(
      "SANDBOX_LANGUAGE_CONTAINERS: '" + base::Printable(text) +
      "' is not accepted; it must be of the form go=a|b,python=c, with names of containers");
  LanguageContainers out;
  if (text.empty()) {
    return out;
  }
  size_t count = 0;
  for (const std::string& entry : Split(text, ',')) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || !IsName(entry.substr(0, equals)) ||
        out.count(entry.substr(0, equals)) != 0) {
      return wrong;
    }
    std::vector<std::string>& names = out[entry.substr(0, equals)];
    for (const std::string& name : Split(entry.substr(equals + 1), '|')) {
      if (!IsName(name) || std::find(names.begin(), names.end(), name) != names.end() ||
          ++count > kMaxContainers) {
        return wrong;
      }
      names.push_back(name);
    }
  }
  return out;
}

std::vector<Listed> ParseListed(std::string_view output) {
  constexpr size_t kMaxLanguages = 64;
  std::vector<Listed> out;
  for (const std::string& line : Split(output, '\n')) {
    const std::vector<std::string> parts = Split(line, '\t');
    if (parts.size() != 4 || !IsName(parts[0]) || out.size() >= kMaxContainers) {
      continue;
    }
    Listed listed{parts[0], parts[1].substr(0, parts[1].find(',')), parts[2], {}};
    for (const std::string& language : Split(parts[3], ',')) {
      if (IsName(language) && listed.languages.size() < kMaxLanguages) {
        listed.languages.push_back(language);
      }
    }
    if (IsName(listed.name)) {
      out.push_back(std::move(listed));
    }
  }
  return out;
}

const Listed* FindListed(const std::vector<Listed>& listed, const std::string& name) {
  constexpr size_t kShortId = 12;
  const auto found = std::find_if(listed.begin(), listed.end(), [&](const Listed& entry) {
    return entry.name == name || (name.size() >= kShortId && entry.id.starts_with(name));
  });
  return found == listed.end() ? nullptr : &*found;
}

LanguageContainers Discover(const std::vector<Listed>& listed) {
  LanguageContainers out;
  for (const Listed& entry : listed) {
    for (const std::string& language : entry.languages) {
      std::vector<std::string>& names = out[language];
      if (std::find(names.begin(), names.end(), entry.name) == names.end()) {
        names.push_back(entry.name);
      }
    }
  }
  return out;
}

base::Result<Inspected> ParseInspected(std::string_view output) {
  const std::vector<std::string> parts = Split(output.substr(0, output.find('\n')), '\t');
  if (parts.size() != 5 || parts[0].size() < 12 || !IsName(parts[0])) {
    return base::Internal("docker inspect answers in a form that is not known");
  }
  Inspected out;
  out.id = parts[0];
  out.status = parts[1];
  out.image = parts[2];
  for (const std::string& network : Split(parts[3], ',')) {
    if (!network.empty()) {
      out.networks.insert(network);
    }
  }
  out.bounds_memory = !parts[4].empty() && parts[4] != "0";
  return out;
}

uint64_t SpaceOf(const std::string& id) {
  uint64_t space = 0;
  std::from_chars(id.data(), id.data() + std::min<size_t>(id.size(), 16), space, 16);
  return space;
}

const char* StateName(Container::State state) {
  switch (state) {
    case Container::State::kDown:
      return "down";
    case Container::State::kChecking:
      return "checking";
    case Container::State::kUp:
      return "up";
    case Container::State::kDraining:
      return "draining";
  }
  return "unknown";
}

Container* Pool::Find(const std::string& name) {
  const auto found = std::find_if(containers_.begin(), containers_.end(),
                                  [&](const Container& c) { return c.name == name; });
  return found == containers_.end() ? nullptr : &*found;
}

Container* Pool::Add(const std::string& name) {
  if (Container* found = Find(name)) {
    found->wanted = true;
    return found;
  }
  Container container;
  container.name = name;
  container.error = "it has not been looked at yet";
  containers_.push_back(std::move(container));
  return &containers_.back();
}

void Pool::Set(const LanguageContainers& by_language, const std::string& single) {
  for (Container& container : containers_) {
    container.wanted = false;
  }
  std::map<std::string, std::set<std::string>> languages;
  for (const auto& [language, names] : by_language) {
    for (const std::string& name : names) {
      languages[name].insert(language);
    }
  }
  if (!single.empty()) {
    languages[single].clear();
  }
  for (auto& [name, set] : languages) {
    Container* container = Add(name);
    if (container->languages != set) {
      container->languages = std::move(set);
      // Those that are new to it have to be looked at.
      if (container->state == Container::State::kUp) {
        container->state = Container::State::kDown;
        container->error = "its languages have changed";
      }
    }
  }
}

Container* Pool::Choose(const std::string& language, bool live) {
  Container* best = nullptr;
  const auto rank = [live](const Container& c) {
    return std::pair(c.running + (live ? c.live : 0), c.jobs);
  };
  for (Container& container : containers_) {
    if (container.state == Container::State::kUp && container.wanted &&
        (live || container.running < slots_) && Meant(container, language) &&
        container.ready.count(language) != 0 &&
        (best == nullptr || rank(container) < rank(*best))) {
      best = &container;
    }
  }
  return best;
}

bool Pool::HasUp(const std::string& language) const {
  return std::any_of(containers_.begin(), containers_.end(), [&](const Container& c) {
    return c.state == Container::State::kUp && c.wanted && Meant(c, language) &&
           c.ready.count(language) != 0;
  });
}

std::string Pool::WhyNot(const std::string& language) const {
  std::string out;
  for (const Container& container : containers_) {
    if (!Meant(container, language)) {
      continue;
    }
    const auto lacking = container.lacking.find(language);
    std::string why = container.error;
    if (container.state == Container::State::kUp) {
      why = lacking != container.lacking.end() ? lacking->second : "all its slots are taken";
    } else if (why.empty()) {
      why = "it is being looked at";
    }
    out += (out.empty() ? "" : "; ") + container.name + ": " + why;
  }
  return out.empty() ? "no container is known for it; look at SANDBOX_LANGUAGE_CONTAINERS, "
                       "SANDBOX_CONTAINER and the label sandbox.language"
                     : out;
}

void Pool::Prune() {
  std::erase_if(containers_, [](const Container& c) {
    return !c.wanted && c.running + c.live == 0 && c.state != Container::State::kChecking;
  });
}

}  // namespace docker
