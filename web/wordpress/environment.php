<?php
// What a server's configuration would say. Runs before every script (auto_prepend_file), outside of the site, so that an exported site
// is a plain WordPress and an imported one needs no change.

$holdfast = json_decode(file_get_contents('/holdfast/config.json'), true);

if (!function_exists('holdfast_define')) {
    function holdfast_define(string $name, mixed $value): void
    {
        if (!defined($name)) {
            define($name, $value);
        }
    }
}
holdfast_define('WP_HOME', $holdfast['url']);
holdfast_define('WP_SITEURL', $holdfast['url']);
holdfast_define('DB_FILE', $holdfast['database']);
holdfast_define('SQLITE_JOURNAL_MODE', 'DELETE'); // the volume commits once a request: a write-ahead log would only keep the database in two places
holdfast_define('SQLITE_MAIN_FILE', '1'); // the drop-in is all that is needed; do not activate the plugin too
holdfast_define('DISABLE_WP_CRON', true); // it would call the site over the network
holdfast_define('WP_HTTP_BLOCK_EXTERNAL', true); // there is no network here, and nothing is fetched from another origin
holdfast_define('AUTOMATIC_UPDATER_DISABLED', true);
holdfast_define('WP_AUTO_UPDATE_CORE', false);
holdfast_define('AUTOSAVE_INTERVAL', 300);
holdfast_define('CONCATENATE_SCRIPTS', false); // one PHP for all requests: files are served faster than joined

// WordPress takes over hooks that were set before it was loaded.
$GLOBALS['wp_filter']['muplugins_loaded'][0]['holdfast'] = [
    'accepted_args' => 0,
    'function' => static function (): void {
        require '/holdfast/plugin.php';
    },
];
