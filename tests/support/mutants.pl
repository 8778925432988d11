#!/usr/bin/env perl
# Reads tests/mutants/*.txt, for tests/mutate:
#     mutants.pl list <root>            name and tests of each, a line each
#     mutants.pl check <root>           fails unless each one's text stands just once in its file
#     mutants.pl rounds <root>          names of those that can be made together, a line for a round
#     mutants.pl apply <root> <name>... makes these, and prints which files they have changed
use strict;
use warnings;

my ($command, $root, @wanted) = @ARGV;
die "usage: mutants.pl list|check|rounds|apply <root> [<name>...]\n" unless defined $root;

# Each mutant: name, tests, and edits, which are {file, old, new}: lines without the white space
# around them.
sub read_mutants {
    my ($path) = @_;
    my (@mutants, $line);
    open my $in, '<', $path or die "$path: $!\n";
    while ($line = <$in>) {
        chomp $line;
        if ($line =~ /^== (\S+)$/) {
            push @mutants, {name => $1, edits => []};
        } elsif ($line =~ /^kills: (.+)$/ && @mutants) {
            $mutants[-1]{kills} = $1;
        } elsif ($line =~ /^@ (\S+)$/ && @mutants) {
            push @{$mutants[-1]{edits}}, {file => $1, old => [], new => []};
        } elsif ($line =~ /^([-+ ])\s*(\S.*?)\s*$/ && @mutants && @{$mutants[-1]{edits}}) {
            my $edit = $mutants[-1]{edits}[-1];
            push @{$edit->{old}}, $2 if $1 ne '+';
            push @{$edit->{new}}, $2 if $1 ne '-';
        } elsif ($line ne '' && (!@mutants || @{$mutants[-1]{edits}} || $line =~ /^[-+@=]/)) {
            die "$path:$.: what is this? $line\n";
        }
    }
    return @mutants;
}

sub read_lines {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    my @lines = <$in>;
    return \@lines;
}

# Where `old` stands among the lines that are not blank: the numbers of its first and last line.
sub places {
    my ($lines, $old) = @_;
    my (@texts, @numbers, @found);
    for my $number (0 .. $#$lines) {
        my ($text) = $lines->[$number] =~ /^\s*(\S.*?)\s*$/ or next;
        push @texts, $text;
        push @numbers, $number;
    }
    for my $at (0 .. @texts - @$old) {
        next if grep { $texts[$at + $_] ne $old->[$_] } 0 .. $#$old;
        push @found, [$numbers[$at], $numbers[$at + $#$old]];
    }
    return @found;
}

# Makes the mutant in $files, which has lines by path, and ends its lines in $mark. If that cannot be
# done, returns why, and changes nothing.
sub mutate {
    my ($mutant, $files, $mark) = @_;
    return "no line 'kills: <test>...'" unless defined $mutant->{kills};
    return 'it changes nothing' unless @{$mutant->{edits}};
    my %changed;
    for my $edit (@{$mutant->{edits}}) {
        my $path = "$root/$edit->{file}";
        return "no text to find in $edit->{file}" unless @{$edit->{old}};
        return "there is no $edit->{file}" unless -f $path;
        my $lines = $changed{$path} //= [@{$files->{$path} // read_lines($path)}];
        my @found = places($lines, $edit->{old});
        return sprintf "'%s' stands %d times in %s", $edit->{old}[0], scalar @found, $edit->{file}
            if @found != 1;
        my ($first, $last) = @{$found[0]};
        splice @$lines, $first, $last - $first + 1, map { "$_$mark\n" } @{$edit->{new}};
    }
    @$files{keys %changed} = values %changed;
    return undef;
}

my (%by_name, @all);
for my $mutant (map { read_mutants($_) } sort glob "$root/tests/mutants/*.txt") {
    die "$mutant->{name}: two mutants have that name\n" if $by_name{$mutant->{name}}++;
    push @all, $mutant;
}
die "no mutants in $root/tests/mutants\n" unless @all;

if ($command eq 'list') {
    print "$_->{name} ", $_->{kills} // '', "\n" for @all;
} elsif ($command eq 'check') {
    my $broken = 0;
    for my $mutant (@all) {
        my $why = mutate($mutant, {}, '');
        next unless defined $why;
        print STDERR "$mutant->{name}: $why\n";
        ++$broken;
    }
    printf "%d mutants, %d of them broken\n", scalar @all, $broken;
    exit($broken ? 1 : 0);
} elsif ($command eq 'rounds') {
    my @rounds;
    for my $mutant (@all) {
        my $round;
        for (@rounds, {files => {}, names => []}) {
            next if defined mutate($mutant, $_->{files}, '//');  # no other one finds its text there
            $round = $_;
            last;
        }
        die "$mutant->{name} cannot be made\n" unless defined $round;
        push @rounds, $round unless @{$round->{names}};
        push @{$round->{names}}, $mutant->{name};
    }
    print "@{$_->{names}}\n" for @rounds;
} elsif ($command eq 'apply') {
    my %files;
    for my $wanted (@wanted) {
        my ($mutant) = grep { $_->{name} eq $wanted } @all or die "no such mutant: $wanted\n";
        my $why = mutate($mutant, \%files, '');
        die "$why\n" if defined $why;
    }
    for my $path (sort keys %files) {
        open my $out, '>', $path or die "$path: $!\n";
        print $out @{$files{$path}};
        close $out or die "$path: $!\n";
        print substr($path, length($root) + 1), "\n";
    }
} else {
    die "unknown command: $command\n";
}
