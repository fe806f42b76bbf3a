<?php
// A must-use plugin that is not part of the site: it signs the visitor in, keeps the page to its own origin, and tells the worker in
// words what a request changed (header X-Holdfast-Change), so that the timeline can say it.

// ---- what changed, in words ----

function holdfast_changed(string $what): void
{
    global $holdfast_changes;
    $holdfast_changes[$what] = true;
    if (!headers_sent()) {
        header('X-Holdfast-Change: ' . rawurlencode(implode("\n", array_keys($holdfast_changes))));
    }
}

function holdfast_named(WP_Post $post): string
{
    $title = trim(wp_strip_all_tags($post->post_title));
    return $title === '' ? 'a ' . $post->post_type . ' without a title' : '“' . $title . '”';
}

ob_start(); // so that the header can still be sent when a late hook has something to say

add_action('transition_post_status', static function (string $new, string $old, WP_Post $post): void {
    if (defined('WP_INSTALLING') || in_array($post->post_type, ['revision', 'customize_changeset', 'nav_menu_item'], true)) {
        return;
    }
    $name = holdfast_named($post);
    if (in_array($post->post_type, ['wp_template', 'wp_template_part', 'wp_global_styles', 'wp_navigation'], true)) {
        if ($old !== 'new' || $post->post_type !== 'wp_global_styles') { // an empty one is made when somebody looks
            holdfast_changed('Design changed');
        }
        return;
    }
    if ($new === 'auto-draft') {
        return;
    }
    if ($new === 'trash') {
        holdfast_changed('Moved to the trash: ' . $name);
    } elseif ($old === 'trash') {
        holdfast_changed('Taken from the trash: ' . $name);
    } elseif (in_array($new, ['publish', 'private', 'future'], true)) {
        holdfast_changed(($old === $new ? 'Updated ' : ['publish' => 'Published ', 'private' => 'Published privately ', 'future' => 'Scheduled '][$new]) . $name);
    } elseif ($old === 'publish') {
        holdfast_changed('Unpublished ' . $name);
    } else {
        holdfast_changed('Draft saved: ' . $name);
    }
}, 10, 3);
add_action('add_attachment', static fn (int $id) => holdfast_changed('Uploaded ' . holdfast_named(get_post($id))));
add_action('before_delete_post', static function (int $id, WP_Post $post): void {
    if (!in_array($post->post_type, ['revision', 'customize_changeset', 'nav_menu_item'], true) && $post->post_status !== 'auto-draft') {
        holdfast_changed('Deleted ' . holdfast_named($post));
    }
}, 10, 2);
add_action('delete_attachment', static fn (int $id, WP_Post $post) => holdfast_changed('Deleted ' . holdfast_named($post)), 10, 2);
add_action('wp_insert_comment', static fn ($id, WP_Comment $comment) => holdfast_changed('Comment by ' . $comment->comment_author), 10, 2);
add_action('deleted_comment', static fn () => holdfast_changed('Comment deleted'));
add_action('transition_comment_status', static fn (string $new) => holdfast_changed('Comment: ' . $new));
add_action('activated_plugin', static fn (string $plugin) => holdfast_changed('Plugin switched on: ' . dirname($plugin)));
add_action('deactivated_plugin', static fn (string $plugin) => holdfast_changed('Plugin switched off: ' . dirname($plugin)));
add_action('deleted_plugin', static fn (string $plugin) => holdfast_changed('Plugin deleted: ' . dirname($plugin)));
add_action('switch_theme', static fn (string $name) => holdfast_changed('Theme: ' . $name));
add_action('user_register', static fn (int $id) => holdfast_changed('New user: ' . get_userdata($id)->user_login));
add_action('deleted_user', static fn () => holdfast_changed('User deleted'));
add_action('personal_options_update', static fn (int $id) => holdfast_changed('Profile changed: ' . get_userdata($id)->user_login));
add_action('edit_user_profile_update', static fn (int $id) => holdfast_changed('Profile changed: ' . get_userdata($id)->user_login));
add_action('created_category', static fn (int $id) => holdfast_changed('New category: ' . get_term($id)->name));
add_action('created_post_tag', static fn (int $id) => holdfast_changed('New tag: ' . get_term($id)->name));
add_action('wp_ajax_edit-theme-plugin-file', static fn () => holdfast_changed('File edited: ' . sanitize_file_name(basename((string) ($_POST['file'] ?? '')))), 0);
add_action('wp_update_nav_menu', static fn () => holdfast_changed('Menu changed'));
add_action('updated_option', static function (string $option): void {
    static $settings = ['blogname' => 'site title', 'blogdescription' => 'tagline', 'permalink_structure' => 'permalinks', 'show_on_front' => 'front page',
        'page_on_front' => 'front page', 'posts_per_page' => 'posts per page', 'timezone_string' => 'time zone', 'admin_email' => 'e-mail address',
        'default_comment_status' => 'discussion', 'WPLANG' => 'language', 'date_format' => 'date format', 'time_format' => 'time format'];
    if (isset($settings[$option])) {
        holdfast_changed('Setting changed: ' . $settings[$option]);
    }
});

// ---- signed in from the start ----

const HOLDFAST_SIGNED_OUT = 'holdfast_signed_out';

// As the site's first administrator, until somebody signs out; then the sign-in form works as it does everywhere.
add_filter('determine_current_user', static function ($user) {
    if ($user || isset($_COOKIE[HOLDFAST_SIGNED_OUT]) || defined('WP_INSTALLING')) {
        return $user;
    }
    global $wpdb;
    static $first = null;
    $first ??= (int) $wpdb->get_var($wpdb->prepare(
        "SELECT MIN(user_id) FROM {$wpdb->usermeta} WHERE meta_key = %s AND meta_value LIKE %s", $wpdb->prefix . 'capabilities', '%"administrator"%'
    ));
    return $first ?: $user;
}, 30);
add_action('wp_logout', static fn () => setcookie(HOLDFAST_SIGNED_OUT, '1', 0, '/'));
add_action('wp_login', static fn () => setcookie(HOLDFAST_SIGNED_OUT, '', 1, '/'));

/** Replaces WordPress's own, which looks at nothing but the cookie. */
function auth_redirect(): void
{
    if (!is_user_logged_in()) {
        nocache_headers();
        wp_redirect(wp_login_url(set_url_scheme((is_ssl() ? 'https://' : 'http://') . $_SERVER['HTTP_HOST'] . $_SERVER['REQUEST_URI']), true));
        exit;
    }
    do_action('auth_redirect', get_current_user_id());
}

// ---- in a frame, on one origin ----

remove_action('login_init', 'send_frame_options_header');
remove_action('admin_init', 'send_frame_options_header');
add_filter('pre_option_show_avatars', static fn () => '0'); // they come from gravatar.com
add_filter('emoji_svg_url', '__return_false');
add_action('init', static function (): void {
    remove_action('wp_head', 'print_emoji_detection_script', 7);
    remove_action('admin_print_scripts', 'print_emoji_detection_script');
    remove_action('wp_head', 'wp_resource_hints', 2);
    wp_deregister_script('heartbeat'); // it would write to the database every minute
    if (is_admin()) {
        wp_register_script('heartbeat', false); // others depend on it
    }
}, 1);
add_filter('wp_img_tag_add_loading_attr', '__return_false');
add_filter('pre_http_request', static fn ($response) => $response === false ? new WP_Error('http_request_blocked', 'This WordPress runs in a page, without a network.') : $response);
foreach (['core', 'plugins', 'themes'] as $holdfast_what) {
    // No updates can be fetched: looking for them would only write to the database.
    add_filter("pre_site_transient_update_$holdfast_what", static fn () => (object) [
        'last_checked' => time(), 'updates' => [], 'response' => [], 'no_update' => [], 'translations' => [], 'checked' => [], 'version_checked' => $GLOBALS['wp_version'],
    ]);
}

// The editor shows what is written in a frame of its own, whose document is a blob. No service worker answers what a blob's document loads, so
// the document is handed to the worker, which serves it under an address of the site.
add_action('enqueue_block_editor_assets', static function (): void {
    $folder = wp_json_encode(home_url('/holdfast-document/'));
    wp_add_inline_script('wp-block-editor', <<<JS
        (() => {
            const blobUrl = URL.createObjectURL.bind(URL)
            URL.createObjectURL = (blob) => {
                if (!(blob instanceof Blob) || blob.type !== 'text/html') return blobUrl(blob)
                const url = $folder + crypto.randomUUID()
                fetch(url, { method: 'PUT', body: blob })
                return url
            }
        })()
        JS, 'before');
});

add_action('wp_dashboard_setup', static fn () => remove_meta_box('dashboard_primary', 'dashboard', 'side')); // news of wordpress.org
