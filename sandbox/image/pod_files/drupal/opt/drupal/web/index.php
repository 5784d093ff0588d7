<?php
// Stands for Drupal, whose code no package registry has: it reads Drupal's own settings.php, and uses the database and
// the directories that it names. GET tells what there is; POST ?name=NAME keeps a row and a public and a private file.
require __DIR__ . '/sites/default/settings.php';

$database = $databases['default']['default'];
$pdo = new PDO(
  "{$database['driver']}:host={$database['host']};port={$database['port']};dbname={$database['database']}",
  $database['username'],
  $database['password'],
  [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION],
);
$pdo->exec('CREATE TABLE IF NOT EXISTS node (nid INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL)');
$public = __DIR__ . '/' . $settings['file_public_path'];
$private = $settings['file_private_path'];

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
  $title = $_GET['name'];
  $pdo->prepare('INSERT INTO node (title) VALUES (?)')->execute([$title]);
  foreach ([$public, $private] as $directory) {
    if (file_put_contents($directory . '/' . basename($title), $title) === false) {
      throw new RuntimeException("cannot write to $directory");
    }
  }
}

header('Content-Type: application/json');
echo json_encode([
  'nodes' => $pdo->query('SELECT title FROM node ORDER BY nid')->fetchAll(PDO::FETCH_COLUMN),
  'public' => array_values(array_diff(scandir($public), ['.', '..'])),
  'private' => array_values(array_diff(scandir($private), ['.', '..'])),
  'salt' => strlen($settings['hash_salt']),
]);
