// Runs before the first paint, so that a chosen theme or language does not flash.
(function () {
  try {
    var root = document.documentElement;
    var theme = localStorage.getItem('loadhost.theme');
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
    var lang = localStorage.getItem('loadhost.lang') || (/^zh/i.test(navigator.language) ? 'zh' : 'en');
    root.lang = lang === 'zh' ? 'zh-Hans' : 'en';
  } catch (e) {
    // Storage may be forbidden: the defaults hold.
  }
})();
