<?php
// Runs once, after WordPress's installer: settings and a few posts, so that there is something to look at.

require '/wordpress/wp-load.php';
wp_set_current_user(1);

update_option('blogdescription', 'A WordPress that runs in your browser and keeps what you write');
update_option('permalink_structure', '/%year%/%monthnum%/%postname%/');
update_option('show_avatars', '0');
update_option('default_pingback_flag', '0');
update_option('default_ping_status', 'closed');
update_option('comment_moderation', '0');
update_option('comment_previously_approved', '0');
delete_option('fresh_site');
update_user_meta(1, 'show_welcome_panel', '0');
update_user_meta(1, 'wp_persisted_preferences', [
    'core/edit-post' => ['welcomeGuide' => false, 'fullscreenMode' => false],
    'core/edit-site' => ['welcomeGuide' => false, 'welcomeGuideStyles' => false],
    'core' => ['welcomeGuide' => false, 'fullscreenMode' => false],
    '_modified' => gmdate('c'),
]);

foreach (get_posts(['post_type' => 'any', 'post_status' => 'any', 'numberposts' => -1]) as $post) {
    wp_delete_post($post->ID, true);
}
$posts = [
    ['What a holdfast is', '-3 days', "Kelp has no roots. It grips the rock with a holdfast: a tangle of short, strong fingers that keeps forty metres of plant in one place while the sea pulls at it all day.",
        "This site is kept by one too. Every page you save here is written to your browser's own disk before WordPress tells you so."],
    ['Low tide, 6.40 in the morning', '-1 day', "Eleven limpets, two anemones and a crab that would not be photographed. The pool by the third groyne has grown a new rim of coralline.",
        "The tide turned at seven. I wrote this down sitting on the rock, without a network."],
    ['Things to try', 'now', "Open the editor, change this post and save it. Then look at the timeline beside the page: your change is a point on it.",
        "Go back to the point before, and the old text is here again, with the comments, the settings and the uploads as they were. Go forward, and yours is back. Nothing on the timeline is ever lost by going back."],
];
foreach ($posts as [$title, $when, $first, $second]) {
    $date = gmdate('Y-m-d H:i:s', strtotime($when));
    $id = wp_insert_post([
        'post_title' => $title, 'post_status' => 'publish', 'post_date' => $date, 'post_date_gmt' => $date,
        'post_content' => "<!-- wp:paragraph -->\n<p>$first</p>\n<!-- /wp:paragraph -->\n\n<!-- wp:paragraph -->\n<p>$second</p>\n<!-- /wp:paragraph -->",
    ], true);
    if (is_wp_error($id)) {
        exit($id->get_error_message());
    }
}
wp_insert_comment(['comment_post_ID' => $id, 'comment_author' => 'A visitor', 'comment_author_email' => 'visitor@example.com', 'comment_content' => 'I went back to Tuesday and everything was where I had left it.', 'comment_approved' => 1]);

// The theme's own front page advertises an architect; this one lists the posts.
$template = wp_insert_post([
    'post_type' => 'wp_template', 'post_name' => 'home', 'post_title' => 'Blog Home', 'post_status' => 'publish',
    'post_content' => <<<'HTML'
        <!-- wp:template-part {"slug":"header","area":"header","tagName":"header"} /-->
        <!-- wp:group {"tagName":"main","style":{"spacing":{"padding":{"top":"1rem","bottom":"4rem"}}},"layout":{"type":"constrained"}} -->
        <main class="wp-block-group" style="padding-top:1rem;padding-bottom:4rem"><!-- wp:query {"query":{"perPage":10,"pages":0,"offset":0,"postType":"post","order":"desc","orderBy":"date","inherit":true}} -->
        <div class="wp-block-query"><!-- wp:post-template {"style":{"spacing":{"blockGap":"3rem"}}} -->
        <!-- wp:post-title {"isLink":true,"level":2,"fontSize":"x-large"} /-->
        <!-- wp:post-date {"fontSize":"small","textColor":"contrast-2"} /-->
        <!-- wp:post-featured-image /-->
        <!-- wp:post-content /-->
        <!-- /wp:post-template -->
        <!-- wp:query-pagination --><!-- wp:query-pagination-previous /--><!-- wp:query-pagination-next /--><!-- /wp:query-pagination --></div>
        <!-- /wp:query --></main>
        <!-- /wp:group -->
        HTML,
], true);
if (is_wp_error($template)) {
    exit($template->get_error_message());
}
wp_set_object_terms($template, get_stylesheet(), 'wp_theme');
flush_rewrite_rules();
wp_cache_flush();
echo 'furnished';
